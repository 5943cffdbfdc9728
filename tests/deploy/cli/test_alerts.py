import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.client import event_stream
from tests.conftest import ROOT
from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script

QUERY = "aaaa11112222"
TEXT = "a person climbs over the fence at the north gate"


def alert(number: int, state: str = "closed", **fields: Any) -> dict[str, Any]:
    event = {
        "id": hashlib.sha256(str(number).encode()).hexdigest(),
        "state": state,
        "query": TEXT,
        "query_id": QUERY,
        "camera": "parking-north",
        "start": f"2025-03-01T08:{number:02d}:00.000000Z",
        "end": f"2025-03-01T08:{number:02d}:12.000000Z",
        "start_seconds": None,
        "end_seconds": None,
        "score": 0.0625,
        "saliency": [[1.0, 0.0], [3.0, 0.5], [5.0, 1.0]],
        "bundle": "watchword-lite",
        "camera_id": "parking-north",
        "query_version": 3,
        "severity": "warning",
        "revision": 2,
        "session": 1,
        "at": f"2025-03-01T08:{number:02d}:14.000000Z",
    }
    kept = {
        "opened_at": f"2025-03-01T08:{number:02d}:15.000000Z",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "suppressed": None,
        "suppressed_by": None,
        "feedback": None,
        "evidence": None,
        "history": [{**event, "state": "opened"}, event],
    }
    return {**event, **kept, **fields}


ALERTS = [
    alert(4, "opened"),
    alert(3, suppressed="silence", suppressed_by="dddd"),
    alert(2, acknowledged_at="2025-03-01T09:00:00Z", acknowledged_by="token:ops"),
    alert(
        1, feedback={"verdict": "wrong", "note": "a bird", "by": "", "at": "2025-03-01T09:00:00Z"}
    ),
]
OPEN, SILENT, ACKED, JUDGED = ALERTS


@pytest.fixture
def script(script: Script) -> Script:
    script.entities["alerts"] = {one["id"]: one for one in ALERTS}
    script.put("queries", QUERY, text=TEXT)
    return script


def test_the_table_fits_80_columns(terminal: Terminal) -> None:
    shown = terminal.ask("alerts", "list").out
    assert max(len(line) for line in shown.splitlines()) <= 80
    for one, state in zip(ALERTS, ("open", "silent", "acked", "closed"), strict=True):
        row = next(line for line in shown.splitlines() if line.strip().startswith(one["id"][:6]))
        assert row.split()[1:6] == [*one["start"].split("T")[0:1], row.split()[2], "12", "s", state]
    assert "2025-03-01 08:04:00Z" in shown


def test_no_more_are_asked_for_than_wanted(script: Script, terminal: Terminal) -> None:
    ran = terminal.ask("alerts", "list", "--limit", "3", "--json")
    assert ran.lines == ALERTS[:3]
    assert [one.params for one in script.asked] == [{"limit": ["3"]}]


def test_filters_are_passed_on(script: Script, terminal: Terminal) -> None:
    terminal.ask(
        *("alerts", "list", "--query", "aaaa", "--query", "b" * 12, "--camera", "gate"),
        *("--state", "opened", "--since", "2025-03-01T09:00:00+01:00"),
    )
    assert script.asked[-1].params == {
        "query": [QUERY, "b" * 12],
        "camera": ["gate"],
        "state": ["opened"],
        "since": ["2025-03-01T08:00:00.000000Z"],
        "limit": ["20"],
    }


def test_no_alerts(script: Script, terminal: Terminal) -> None:
    script.entities["alerts"].clear()
    assert terminal.ask("alerts", "list").out == "no alerts\n"


def test_an_alert_is_shown_with_its_curve_and_history(terminal: Terminal) -> None:
    shown = terminal.ask("alerts", "show", OPEN["id"][:8]).out
    for part in (OPEN["id"], TEXT, " ▄█", "after 12 s", "08:04:14Z  opened", "version 3"):
        assert part in shown
    assert "silence dddd" in terminal.ask("alerts", "show", SILENT["id"]).out
    assert "09:00:00Z token:ops" in terminal.ask("alerts", "show", ACKED["id"]).out
    assert "wrong (a bird)" in terminal.ask("alerts", "show", JUDGED["id"]).out
    assert terminal.ask("alerts", "show", OPEN["id"], "--json").lines == [OPEN]


def test_an_alerts_video_is_told_with_where_in_it_the_alert_begins(
    script: Script, terminal: Terminal
) -> None:
    short = OPEN["id"][:8]
    shown = terminal.ask("alerts", "show", OPEN["id"]).out
    assert f"watchword alerts clip {short}" in shown
    assert "the alert begins" not in shown
    clip = {"start": "2025-03-01T08:04:00Z", "end": "2025-03-01T08:04:22Z", "offset_seconds": 6.53}
    script.entities["alerts"][OPEN["id"]] = {**OPEN, "evidence": clip}
    shown = terminal.ask("alerts", "show", OPEN["id"]).out
    assert f"watchword alerts clip {short}: 22 s, the alert begins at 6.5 s" in shown


def test_an_alert_is_acknowledged_by_its_id_or_that_of_an_event(
    script: Script, terminal: Terminal
) -> None:
    path = f"POST /v1/alerts/{ACKED['id']}/ack"
    script.answers[path] = (200, ACKED)
    ran = terminal.ask("alerts", "ack", f"{ACKED['id']}.2")
    assert ran.out.startswith(f"alert {ACKED['id'][:8]} is acknowledged by token:ops, 2025-03-01")
    assert terminal.ask("alerts", "ack", ACKED["id"], "--json").lines == [ACKED]


def test_feedback_is_given(script: Script, terminal: Terminal) -> None:
    path = f"/v1/alerts/{JUDGED['id']}/feedback"
    script.answers[f"POST {path}"] = (200, JUDGED)
    ran = terminal.ask("alerts", "feedback", JUDGED["id"], "wrong", "--note", "a bird")
    assert script.bodies("POST") == [{"verdict": "wrong", "note": "a bird"}]
    assert ran.out == f"alert {JUDGED['id'][:8]} was wrong: {TEXT}\n"


def test_a_verdict_the_server_does_not_know(script: Script, terminal: Terminal) -> None:
    path = f"/v1/alerts/{JUDGED['id']}/feedback"
    script.answers[f"POST {path}"] = (422, {"detail": "'verdict' is none."})
    assert "'verdict'" in terminal.ask("alerts", "feedback", JUDGED["id"], "maybe", code=2).err


def streamed(*alerts: dict[str, Any]) -> bytes:
    return b"".join(
        f"event: alert\nid: {one['id']}.{one['revision']}\ndata: {json.dumps(one)}\n\n".encode()
        for one in alerts
    )


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C, while it waits to connect again."""

    def wait(_: float) -> None:
        raise KeyboardInterrupt

    kept = event_stream.Patience
    monkeypatch.setattr(event_stream, "Patience", lambda: kept(wait=wait))
    return


@pytest.mark.usefixtures("interrupted")
def test_alerts_are_told_as_they_come_until_ctrl_c(script: Script, terminal: Terminal) -> None:
    script.streams = [b"event: hello\ndata: 1\n\n" + streamed(OPEN, OPEN, SILENT)]
    ran = terminal.ask("alerts", "follow", "--query", "aaaa", "--camera", "gate", code=0)
    assert [line.split()[4] for line in ran.out.splitlines()] == ["opened", "closed"]
    assert all(
        line.endswith(one["id"][:8])
        for line, one in zip(ran.out.splitlines(), ALERTS[:2], strict=True)
    )
    assert script.asked[-1].params == {"query": [QUERY], "camera": ["gate"]}
    assert "Ctrl-C ends" in ran.err
    assert f"{script.url} ended the stream; trying again" in ran.err


def test_ctrl_c_while_nothing_happens_ends_it_well(script: Script) -> None:
    script.streams, script.hold = [streamed(OPEN)], threading.Event()
    command = [sys.executable, "-m", "deploy", "alerts", "follow", "--server", script.url]
    # A shell that runs the tests in the background has every process below it ignore Ctrl-C
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    following = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, kept)
    with following:
        assert following.stdout is not None
        assert OPEN["id"][:8] in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 0
        assert following.stdout.read() == ""
    script.hold.set()


@pytest.mark.usefixtures("interrupted")
def test_alerts_are_told_as_json(script: Script, terminal: Terminal) -> None:
    script.streams = [streamed(OPEN)]
    assert terminal.ask("alerts", "follow", "--json").lines == [OPEN]


@pytest.mark.usefixtures("interrupted")
def test_an_alert_that_is_no_json(script: Script, terminal: Terminal) -> None:
    script.streams = [b"event: alert\nid: a.1\ndata: {\n\n"]
    assert "no JSON" in terminal.ask("alerts", "follow", code=1).err


def test_an_alerts_clip_is_saved(script: Script, terminal: Terminal, tmp_path: Path) -> None:
    script.answers[f"GET /v1/alerts/{OPEN['id']}/clip.mp4"] = (200, {"video": "yes"})
    output = tmp_path / "clip.mp4"
    told = terminal.ask("alerts", "clip", OPEN["id"][:8], "--output", str(output)).out
    assert json.loads(output.read_bytes()) == {"video": "yes"}
    assert str(output) in told
    (line,) = terminal.ask("alerts", "clip", OPEN["id"], "-o", str(output), "--json").lines
    assert line["file"] == str(output)
    assert line["bytes"] == output.stat().st_size
    assert (line["offset_seconds"], line["complete"]) == (0.0, False)
    assert f"alerts clip {OPEN['id'][:8]}" in terminal.ask("alerts", "show", OPEN["id"]).out


def test_a_clip_that_is_not_to_be_had_leaves_no_file(
    script: Script, terminal: Terminal, tmp_path: Path
) -> None:
    sentence = "There is no video of it."
    script.answers[f"GET /v1/alerts/{OPEN['id']}/clip.mp4"] = (404, {"detail": sentence})
    output = tmp_path / "clip.mp4"
    ran = terminal.ask("alerts", "clip", OPEN["id"], "--output", str(output), code=2)
    assert sentence.rstrip(".") in ran.err
    assert not output.exists()
    missing = str(tmp_path / "nowhere" / "clip.mp4")
    script.answers[f"GET /v1/alerts/{OPEN['id']}/clip.mp4"] = (200, {"video": "yes"})
    ran = terminal.ask("alerts", "clip", OPEN["id"], "--output", missing, code=2)
    assert "cannot be written" in ran.err
