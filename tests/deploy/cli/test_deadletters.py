import io
from pathlib import Path

import pytest

from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script

FIRST, SECOND, THIRD = "a" * 12, "ab" * 6, "c" * 12


def replays(script: Script) -> list[str]:
    return [one.path for one in script.asked if one.method == "POST"]


@pytest.fixture
def letters(script: Script) -> Script:
    """Three dead letters, the newest first; the last one cannot be replayed."""
    script.put("deadletters", FIRST)
    script.put("deadletters", SECOND, offset=8)
    script.put(
        *("deadletters", THIRD),
        topic="watchword.clips.v1",
        size=5_242_880,
        error="ClipError",
        kept=False,
        replayable=False,
        obstacle="a clip counts only in its place",
        value=None,
        headers=[],
        replayed_at="2025-03-01T09:00:00Z",
    )
    for one in (FIRST, SECOND, THIRD):
        script.answers[f"POST /v1/deadletters/{one}:replay"] = (
            200,
            script.entities["deadletters"][one],
        )
    return script


def test_there_are_none(terminal: Terminal) -> None:
    assert terminal.ask("deadletters", "list").out == "No dead letters.\n"
    assert terminal.ask("deadletters", "list", "--json").out == ""
    ran = terminal.ask("deadletters", "replay", "--all")
    assert (ran.out, ran.err) == ("", "No dead letters to replay.\n")


def test_they_are_listed_within_80_columns(letters: Script, terminal: Terminal) -> None:
    shown = terminal.ask("deadletters", "list").out
    assert max(map(len, shown.splitlines())) <= 80
    for part in ("aaaaaa", "ababab", "embeddings.v1", "yard", "6 B", "5.2 MB", "replayed"):
        assert part in shown
    assert len(terminal.ask("deadletters", "list", "--json").lines) == 3


def test_they_are_asked_for_by_topic(letters: Script, terminal: Terminal) -> None:
    terminal.ask("deadletters", "list", "--topic", "clips.v1", "--limit", "5")
    asked = letters.asked[-1].params
    assert asked == {"topic": ["watchword.clips.v1"], "limit": ["5"]}


def test_one_is_shown(letters: Script, terminal: Terminal) -> None:
    shown = terminal.ask("deadletters", "show", "aba").out
    for part in (SECOND, "partition 3, offset 8", "trace: abc", "broken", "possible", "6 bytes"):
        assert part in shown
    shown = terminal.ask("deadletters", "show", THIRD).out
    assert "a clip counts only in its place" in shown
    assert "several deadletters" in terminal.ask("deadletters", "show", "a", code=2).err


def test_fields_are_shown_in_place_of_bytes(letters: Script, terminal: Terminal) -> None:
    decoded = {"camera_id": "yard", "vector": "(1024 bytes)", "index": 3}
    letters.put("deadletters", FIRST, decoded=decoded)
    shown = terminal.ask("deadletters", "show", FIRST).out
    for part in ("camera_id: yard", "vector: (1024 bytes)", "index: 3"):
        assert part in shown
    assert "broken" not in shown


def test_bytes_that_are_no_text_are_shown_in_hexadecimal(
    letters: Script, terminal: Terminal
) -> None:
    letters.put("deadletters", FIRST, value="AAEC" * 40)
    assert "000102000102" in terminal.ask("deadletters", "show", FIRST).out


def test_the_value_is_written_to_a_file(
    letters: Script, terminal: Terminal, tmp_path: Path
) -> None:
    output = tmp_path / "value"
    ran = terminal.ask("deadletters", "show", FIRST, "--output", str(output))
    assert output.read_bytes() == b"broken"
    assert (ran.out, ran.err.startswith("6 bytes are written to ")) == ("", True)
    ran = terminal.ask("deadletters", "show", FIRST, "--output", str(output), "--json")
    assert ran.lines[0]["value"] == "YnJva2Vu"


def test_a_value_that_cannot_be_written(
    letters: Script, terminal: Terminal, tmp_path: Path
) -> None:
    ran = terminal.ask("deadletters", "show", THIRD, "--output", str(tmp_path / "x"), code=2)
    assert "no value to write: a clip" in ran.err
    ran = terminal.ask("deadletters", "show", FIRST, "--output", str(tmp_path), code=2)
    assert "cannot be written" in ran.err


def test_some_are_replayed(letters: Script, terminal: Terminal) -> None:
    ran = terminal.ask("deadletters", "replay", "aba", FIRST)
    assert replays(letters) == [f"/v1/deadletters/{one}:replay" for one in (SECOND, FIRST)]
    assert ran.out.splitlines()[0] == f"dead letter {SECOND} is on embeddings.v1 again"


def test_a_wrong_id_replays_nothing(letters: Script, terminal: Terminal) -> None:
    terminal.ask("deadletters", "replay", FIRST, "0" * 12, code=2)
    assert replays(letters) == []


def test_what_the_server_refuses_is_told(letters: Script, terminal: Terminal) -> None:
    letters.answers[f"POST /v1/deadletters/{THIRD}:replay"] = (
        409,
        {"detail": "The dead letter cannot be replayed: so it is."},
    )
    ran = terminal.ask("deadletters", "replay", THIRD, code=2)
    assert ran.err == "watchword: The dead letter cannot be replayed: so it is\n"


def test_all_are_replayed_in_their_order_once_that_is_confirmed(
    letters: Script, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    ran = terminal.ask("deadletters", "replay", "--all", code=1)
    assert "Replay 2 dead letters?" in ran.err
    assert replays(letters) == []
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    ran = terminal.ask("deadletters", "replay", "--all", "--json")
    assert replays(letters) == [f"/v1/deadletters/{one}:replay" for one in (SECOND, FIRST)]
    assert len(ran.lines) == 2
    assert "1 cannot be replayed" in ran.err
    listed = next(one for one in letters.asked if one.path == "/v1/deadletters")
    assert listed.params["replayed"] == ["false"]


def test_nobody_is_asked_with_yes(letters: Script, terminal: Terminal) -> None:
    terminal.ask("deadletters", "replay", "--all", "--yes", "--topic", "embeddings.v1")
    assert len(replays(letters)) == 2


def test_it_must_be_said_which(letters: Script, terminal: Terminal) -> None:
    assert "--all" in terminal.ask("deadletters", "replay", code=2).err
    assert "exclude each other" in terminal.ask("deadletters", "replay", "aba", "--all", code=2).err
