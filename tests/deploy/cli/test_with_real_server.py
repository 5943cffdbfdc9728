"""Every command once against the real app: the fake server of other tests must not lie."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.client.api import ApiClient
from deploy.client.event_stream import follow
from tests.deploy.cli.real_server import Real, real_server
from tests.deploy.cli.running import Terminal
from tests.deploy.store import records


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with real_server(tmp_path_factory.mktemp("real")) as real:
        yield real


@pytest.fixture
def terminal(
    real: Real, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal(capsys, real.url)


def test_a_query_lives(terminal: Terminal) -> None:
    (made,) = terminal.ask(
        *("query", "add", "a red car", "--negative", "a red bus", "--threshold", "0.2"),
        *("--severity", "critical", "--for", "10s", "--keep-firing-for", "1m", "--cooldown", "1h"),
        *("--label", "site=north", "--schedule", "mon-fri 08:00-18:00 Europe/Berlin", "--json"),
    ).lines
    query = made["id"]
    assert made["state"] == "pending"
    assert made["schedule"]["timezone"] == "Europe/Berlin"
    shown = terminal.ask("query", "show", query[:6]).out
    for part in ("a red bus", "mon-fri 08:00-18:00 Europe/Berlin", "p >= 0.2", "site=north"):
        assert part in shown
    (changed,) = terminal.ask(
        *("query", "edit", query, "--alerts-per-day", "3", "--schedule", "", "--label", "site="),
        *("--negative", "", "--camera", "", "--paused", "--json"),
    ).lines
    assert changed["sensitivity"] == {"alerts_per_day": 3.0, "threshold": None}
    assert (changed["schedule"], changed["labels"], changed["negatives"]) == (None, {}, [])
    assert (changed["cameras"], changed["state"], changed["version"]) == (["*"], "paused", 2)
    assert terminal.ask("query", "edit", query, "--armed").code == 0
    assert query[:6] in terminal.ask("query", "list").out
    terminal.ask("query", "remove", query)
    assert terminal.ask("query", "list", "--json").lines == []


def test_a_query_that_cannot_be_meant(terminal: Terminal) -> None:
    ran = terminal.ask("query", "add", "a red car", "--severity", "mild", code=2)
    assert "severity" in ran.err
    assert ran.err.count("\n") == 1
    assert terminal.ask("query", "add", "a car", "--threshold", "7", code=2).err
    assert terminal.ask("query", "edit", "f" * 12, "--armed", code=2).err


def test_a_camera_lives(terminal: Terminal) -> None:
    source = "rtsp://anna:hunter2@127.0.0.1:1/live"
    ran = terminal.ask("camera", "add", "gate", source, "--paused", "--label", "a=b")
    assert "registered and paused" in ran.out
    shown = terminal.ask("camera", "show", "gate").out
    for part in ("rtsp://127.0.0.1:1/live", "sealed", "a=b", "paused"):
        assert part in shown
    assert "hunter2" not in ran.out + shown
    terminal.ask("camera", "edit", "gate", "--running", "--transport", "udp", "--label", "a=")
    (listed,) = terminal.ask("camera", "list", "--json").lines
    assert (listed["paused"], listed["rtsp_transport"], listed["labels"]) == (False, "udp", {})
    assert "gate" in terminal.ask("camera", "list").out
    assert "already" in terminal.ask("camera", "add", "gate", source, code=2).err
    terminal.ask("camera", "remove", "gate")
    assert "gate" in terminal.ask("camera", "show", "gate", code=2).err


def test_a_camera_whose_id_cannot_be(terminal: Terminal) -> None:
    assert "id" in terminal.ask("camera", "add", "My Gate", "rtsp://a/b", code=2).err


def test_alerts_are_listed_shown_and_judged(real: Real, terminal: Terminal) -> None:
    first, second = real.tell(1), real.tell(2)
    real.tell(1, "closed", revision=2)
    found = terminal.ask("alerts", "list", "--camera", "gate", "--since", "2020-01-01", "--json")
    assert [one["id"] for one in found.lines] == [second.alert_id, first.alert_id]
    assert len(terminal.ask("alerts", "list", "--limit", "1", "--json").lines) == 1
    assert terminal.ask("alerts", "list", "--state", "updated").out == "no alerts\n"
    assert "gate: smoke" in terminal.ask("alerts", "list").out
    shown = terminal.ask("alerts", "show", first.alert_id[:10]).out
    for part in ("▄█", "opened", "closed", "2025-06-15 15:07:40Z"):
        assert part in shown
    assert "acknowledged by local" in terminal.ask("alerts", "ack", first.event_id).out
    (judged,) = terminal.ask(
        "alerts", "feedback", first.alert_id[:10], "wrong", "--note", "a lamp", "--json"
    ).lines
    assert judged["feedback"]["note"] == "a lamp"
    assert "wrong (a lamp)" in terminal.ask("alerts", "show", first.alert_id).out
    assert "acked" in terminal.ask("alerts", "list").out
    assert "verdict" in terminal.ask("alerts", "feedback", first.alert_id, "so", code=2).err
    assert terminal.ask("alerts", "show", "0" * 64, code=2).err


def test_the_stream_is_followed_and_taken_up_again(real: Real) -> None:
    told = [real.tell(number).event_id for number in (10, 11, 12)]
    with ApiClient(real.url) as client:
        events = follow(client, "/v1/alerts/stream", {"last_event_id": told[0]})
        event = next(events)
        assert (event.id, event.kind) == (told[1], "alert")
        assert '"query":"smoke"' in event.text
        assert next(events).id == told[2]
        assert real.tell(13).event_id == next(events).id
        events.close()


def test_a_subscription_lives(terminal: Terminal) -> None:
    url = "https://hooks.example/a?token=geheim"
    (made,) = terminal.ask(
        *("subscription", "add", url, "--state", "closed", "--min-severity", "warning", "--json")
    ).lines
    assert made["secret"].startswith("whsec_")
    assert "geheim" not in terminal.ask("subscription", "show", made["id"][:6]).out
    terminal.ask("subscription", "edit", made["id"], "--paused", "--query", "")
    shown = terminal.ask("subscription", "list").out
    for part in ("paused", "closed", "warning"):
        assert part in shown
    ran = terminal.ask("subscription", "test", made["id"], code=1)
    assert "answered HTTP 500 after 0.50 s" in ran.out
    assert "It answered 500" in ran.err
    terminal.ask("subscription", "remove", made["id"])
    assert "subscription add" in terminal.ask("subscription", "list").out


def test_a_silence_lives(terminal: Terminal) -> None:
    (made,) = terminal.ask(
        "silence", "add", "--for", "2h", "--camera", "gate-*", "--comment", "painting", "--json"
    ).lines
    shown = terminal.ask("silence", "list").out
    for part in (made["id"][:6], " now ", "painting"):
        assert part in shown
    terminal.ask("silence", "remove", made["id"][:6])
    assert terminal.ask("silence", "list").out == "no silences\n"
    assert terminal.ask("silence", "add", "--for", "0s", code=2).err


def test_dead_letters_are_listed_shown_and_replayed(
    real: Real, terminal: Terminal, tmp_path: Path
) -> None:
    assert terminal.ask("deadletters", "list").out == "No dead letters.\n"
    first, second = records.dead_letter(1), records.dead_letter(2, topic="watchword.clips.v1")
    real.store.dead_letters.write([first, second])
    listed = terminal.ask("deadletters", "list", "--json").lines
    assert [one["id"] for one in listed] == [second.letter_id, first.letter_id]
    assert "clips.v1" in terminal.ask("deadletters", "list", "--topic", "clips.v1").out
    shown = terminal.ask("deadletters", "show", first.letter_id[:8]).out
    for part in ("EmbeddingRecordError", "partition 3, offset 1", "trace: abc", "broken"):
        assert part in shown
    output = tmp_path / "value"
    terminal.ask("deadletters", "show", first.letter_id, "--output", str(output))
    assert output.read_bytes() == b"broken"
    ran = terminal.ask("deadletters", "replay", "--all", "--yes")
    assert "on embeddings.v1 again" in ran.out
    assert [message.value for message in real.published] == [b"broken"]
    assert (
        "cannot be replayed" in terminal.ask("deadletters", "replay", second.letter_id, code=2).err
    )
    assert "No dead letters to replay." in terminal.ask("deadletters", "replay", "--all").err


def test_blind_periods_are_told(real: Real, terminal: Terminal) -> None:
    since = ("--since", "1970-01-01T00:00:00Z")
    assert "every camera was watched" in terminal.ask("blind", *since).out
    real.store.blind_periods.write([records.blind(), records.blind(960, 1000, reason="lag")])
    assert "lag 40 s, stream 60 s" in terminal.ask("blind", *since).out
    found = terminal.ask("blind", "--camera", "yard", "--reason", "lag", "--json", *since).lines
    assert [one["seconds"] for one in found] == [40.0]
    assert terminal.ask("blind", "--camera", "gate", "--json", *since).lines == []
    assert "reason" in terminal.ask("blind", "--reason", "sleep", code=2).err


def test_a_token_is_wanted_and_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHWORD_TOKEN", raising=False)
    token = "0123456789abcdef" * 4
    with real_server(tmp_path, token) as real:
        terminal = Terminal(capsys, real.url)
        assert "--token-file" in terminal.ask("query", "list", code=1).err
        wrong = terminal.ask("query", "list", "--token", "f" * 64, code=1)
        assert "not one this server knows" in wrong.err
        assert "f" * 64 not in wrong.err
        (tmp_path / "token").write_text(token + "\n")
        terminal.ask("query", "add", "smoke", "--token-file", str(tmp_path / "token"))
