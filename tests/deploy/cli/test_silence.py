import pytest

from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script


@pytest.fixture
def script(script: Script) -> Script:
    script.put("queries", "aaaa11112222", text="smoke")
    return script


def test_a_silence_begins_now(script: Script, terminal: Terminal) -> None:
    ran = terminal.ask("silence", "add", "--for", "2h")
    assert script.bodies("POST") == [{"duration_seconds": 7200}]
    assert ran.out == "silence 000000000000 until 2999-03-01 08:00:00Z\n"


def test_a_silence_of_some_queries_and_cameras(script: Script, terminal: Terminal) -> None:
    words = ("--query", "aaaa", "--query", "bb*", "--camera", "gate-*", "--comment", "painting")
    terminal.ask("silence", "add", "--for", "30m", *words)
    assert script.bodies("POST") == [
        {
            "duration_seconds": 1800,
            "queries": ["aaaa11112222", "bb*"],
            "cameras": ["gate-*"],
            "comment": "painting",
        }
    ]


def test_silences_are_listed_with_what_they_are_now(script: Script, terminal: Terminal) -> None:
    assert terminal.ask("silence", "list").out == "no silences\n"
    script.put("silences", "a" * 12, comment="painting")
    script.put("silences", "b" * 12, ends_at="2025-03-01T08:00:00Z")
    script.put("silences", "c" * 12, starts_at="2998-03-01T08:00:00Z")
    shown = terminal.ask("silence", "list").out
    states = [
        line.split()[1] for line in shown.splitlines() if line.strip()[:2] in ("aa", "bb", "cc")
    ]
    assert states == ["now", "over", "coming"]
    assert len(terminal.ask("silence", "list", "--json").lines) == 3


def test_a_silence_is_ended(script: Script, terminal: Terminal) -> None:
    script.put("silences", "a" * 12)
    assert terminal.ask("silence", "remove", "aa").out == "silence aaaaaaaaaaaa is over\n"
    assert script.entities["silences"] == {}


def test_a_silence_without_an_end_is_no_silence(terminal: Terminal) -> None:
    assert terminal.ask("silence", "add", code=2).out == ""
