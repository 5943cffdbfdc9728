"""`watchword watch` from file to alert, with a bundle that knows colours."""

import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from deploy.config import WatchOptions
from deploy.report import Told
from deploy.watch import WatchRun
from deploy.watch_plan import plan_watch
from tests.conftest import ROOT
from tests.e2e.conftest import Done, watchword, watchword_process
from tests.e2e.media import BLUE, GREEN, GREY, RED, write_video

QUERIES = ("--query", "something red", "--query", "a blue wall", "--query", "green")


class AlertLine(msgspec.Struct, forbid_unknown_fields=True):
    """What the design promises of a line of `watch --json`."""

    id: str
    state: str
    query: str
    query_id: str
    camera: str
    start: datetime
    end: datetime
    start_seconds: float
    end_seconds: float
    score: float
    saliency: list[tuple[float, float]]
    bundle: str


class Figures(msgspec.Struct, forbid_unknown_fields=True):
    clips: int
    windows: int
    queries: int
    alerts: int
    seconds: float
    clips_per_second: float
    blind_seconds: float


class SummaryLine(msgspec.Struct, forbid_unknown_fields=True):
    summary: Figures


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red from 6 to 10 s, blue from 30 to 34 s, grey elsewhere; 40 s."""
    path = tmp_path_factory.mktemp("video") / "Main Street.mp4"
    return write_video(path, [(GREY, 6), (RED, 4), (GREY, 20), (BLUE, 4), (GREY, 6)])


@pytest.fixture(scope="module")
def as_json(street: Path, colours: Path) -> Done:
    return watchword("watch", street, *QUERIES, "--bundle", colours, "--json")


def test_standard_output_holds_json_lines_and_nothing_else(as_json: Done) -> None:
    assert (as_json.code, as_json.err) == (0, "")
    *alerts, summary = as_json.out.splitlines()
    for line in alerts:
        msgspec.json.decode(line, type=AlertLine)
    msgspec.json.decode(summary, type=SummaryLine)


def test_each_event_is_told_once_at_its_end(as_json: Done) -> None:
    told = [(a["query"], a["state"], a["start_seconds"], a["end_seconds"]) for a in as_json.alerts]
    assert told == [
        ("something red", "closed", pytest.approx(6, abs=0.2), pytest.approx(10, abs=0.2)),
        ("a blue wall", "closed", pytest.approx(30, abs=0.2), pytest.approx(34, abs=0.2)),
    ]


def test_an_alert_says_where_its_saliency_was(as_json: Done) -> None:
    red = as_json.alerts[0]
    inside = [p for at, p in red["saliency"] if red["start_seconds"] < at < red["end_seconds"]]
    outside = [p for at, p in red["saliency"] if not red["start_seconds"] < at < red["end_seconds"]]
    assert min(inside) > 0.9 > 0.1 > max(outside)
    assert red["score"] > 0.9
    assert re.fullmatch("[0-9a-f]{64}", red["id"])
    assert (red["camera"], red["bundle"]) == ("main-street", "colours")


def test_the_summary_counts(as_json: Done) -> None:
    counts = {name: as_json.summary[name] for name in ("clips", "windows", "queries", "alerts")}
    assert counts == {"clips": 20, "windows": 20, "queries": 3, "alerts": 2}
    assert as_json.summary["blind_seconds"] == 0
    assert as_json.summary["clips_per_second"] > 0


def test_a_second_run_gives_the_same_ids(as_json: Done, street: Path, colours: Path) -> None:
    again = watchword("watch", street, *QUERIES, "--bundle", colours, "--json")
    assert [alert["id"] for alert in again.alerts] == [alert["id"] for alert in as_json.alerts]


def test_people_get_a_table_and_a_summary(street: Path, colours: Path) -> None:
    done = watchword("watch", street, *QUERIES, "--bundle", colours)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    row = next(line for line in lines if "something red" in line)
    assert re.search(r"0:06\.0 +0:10\.0 +0\.9\d\d +.*█", row)
    assert any("green" in line and "nothing found" in line for line in lines)
    assert lines[-1].startswith("2 alerts for 3 queries; 20 clips in ")
    assert max(map(len, lines)) <= 80


def test_follow_updates_tells_every_state(street: Path, colours: Path) -> None:
    words = ("--bundle", colours, "--follow-updates")
    done = watchword("watch", street, "--query", "red", "--json", *words)
    states = [alert["state"] for alert in done.alerts]
    assert states[0] == "opened"
    assert states[-1] == "closed"
    assert len({alert["id"] for alert in done.alerts}) == done.summary["alerts"] == 1
    lines = watchword("watch", street, "--query", "red", *words).out.splitlines()
    assert "opened" in lines[0]
    assert len(lines) == len(states) + 1


def test_the_output_file_gets_the_same_lines(tmp_path: Path, street: Path, colours: Path) -> None:
    output = tmp_path / "alerts.jsonl"
    done = watchword("watch", street, *QUERIES, "--bundle", colours, "--output", output)
    assert "0:06.0" in done.out
    *alerts, summary = [json.loads(line) for line in output.read_text().splitlines()]
    assert [alert["query"] for alert in alerts] == ["something red", "a blue wall"]
    assert summary["summary"]["alerts"] == 2


def test_several_sources_side_by_side(tmp_path: Path, street: Path, colours: Path) -> None:
    yard = write_video(tmp_path / "yard.mp4", [(GREY, 2), (GREEN, 6)])
    done = watchword("watch", street, yard, *QUERIES, "--bundle", colours, "--json")
    found = {(alert["camera"], alert["query"]) for alert in done.alerts}
    assert found == {
        ("main-street", "something red"),
        ("main-street", "a blue wall"),
        ("yard", "green"),
    }
    assert done.summary["clips"] == 24


def test_a_glob_is_one_camera(tmp_path: Path, colours: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        write_video(tmp_path / name, [(RED, 4)])
    glob = tmp_path / "*.mp4"
    done = watchword("watch", glob, "--query", "red", "--bundle", colours, "--json")
    assert done.code == 0, done.err
    assert done.summary["clips"] == 4
    assert {alert["camera"] for alert in done.alerts} == {"camera"}


def test_a_part_of_a_file_keeps_the_files_own_seconds(street: Path, colours: Path) -> None:
    part = ("--from", "0:20", "--to", "36")
    done = watchword("watch", street, *QUERIES, "--bundle", colours, "--json", *part)
    (alert,) = done.alerts
    assert alert["query"] == "a blue wall"
    assert alert["start_seconds"] == pytest.approx(30, abs=0.2)
    assert done.summary["clips"] == 8
    assert done.summary["blind_seconds"] == 0


def test_a_file_may_be_told_when_it_began(street: Path, colours: Path) -> None:
    start = ("--start", "2025-03-01T08:00:00Z")
    done = watchword("watch", street, *QUERIES, "--bundle", colours, "--json", *start)
    line = msgspec.json.decode(json.dumps(done.alerts[0]), type=AlertLine)
    assert line.start.isoformat().startswith("2025-03-01T08:00:06")
    assert line.start_seconds == pytest.approx(6, abs=0.2)


def test_the_same_query_twice_is_one(street: Path, colours: Path) -> None:
    twice = ("--query", "red", "--query", " red ")
    done = watchword("watch", street, *twice, "--bundle", colours, "--json")
    assert done.summary["queries"] == done.summary["alerts"] == 1


def test_a_high_threshold_lets_nothing_through(street: Path, colours: Path) -> None:
    done = watchword(
        "watch", street, *QUERIES, "--bundle", colours, "--json", "--threshold", "0.999"
    )
    assert done.alerts == []


def test_asked_to_end_a_run_tells_what_it_saw(tmp_path: Path, colours: Path) -> None:
    long = write_video(tmp_path / "long.mp4", [(RED, 4), (GREY, 400)])
    plan = plan_watch(WatchOptions((str(long),), ("red",), str(colours)))
    states: list[str] = []

    class Impatient:
        def alert(self, told: Told) -> None:
            states.append(told.alert.state)

        def seen(self, camera_id: str, seconds: float) -> None:
            run.ask_to_end()

        def lost(self, camera_id: str, reason: str) -> None:
            raise AssertionError(reason)

    run = WatchRun(plan, Impatient())
    summary = run.run()
    assert 1 <= summary.clips < 200
    assert states[-1:] in ([], ["closed"])
    assert summary.blind_seconds == 0


def test_an_error_in_a_listener_ends_the_run_and_is_raised(street: Path, colours: Path) -> None:
    plan = plan_watch(WatchOptions((str(street),), ("red",), str(colours)))

    class Broken:
        def alert(self, told: Told) -> None:
            raise ZeroDivisionError("a bug")

        def seen(self, camera_id: str, seconds: float) -> None:
            pass

        def lost(self, camera_id: str, reason: str) -> None:
            pass

    with pytest.raises(ZeroDivisionError, match="a bug"):
        WatchRun(plan, Broken()).run()


def test_a_process_of_its_own(street: Path, colours: Path) -> None:
    done = watchword_process("watch", street, *QUERIES, "--bundle", colours, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.summary["alerts"] == 2


def test_running_needs_neither_torch_nor_onnx(street: Path, colours: Path) -> None:
    words = ["watch", str(street), "--query", "red", "--bundle", str(colours), "--json"]
    program = (
        "import sys\n"
        "from deploy.cli import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "finally:\n"
        "    print(*{'torch', 'onnx', 'scipy'} & set(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "\n")


def test_version_and_help_and_bundles(colours: Path) -> None:
    assert watchword("--version").out.startswith("watchword ")
    assert "watch" in watchword("--help").out
    verified = watchword("bundles", "verify", colours)
    assert (verified.code, verified.err) == (0, "")
    assert "colours 1: all 6 files" in verified.out
    assert watchword("bundles", "list").code == 0
