import pytest

from deploy.clock import parse_utc
from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script

SINCE = ("--since", "2025-03-01T08:00:00Z")


@pytest.fixture
def periods(script: Script) -> Script:
    script.put("blind", "1")
    script.put(
        *("blind", "2"),
        start="2025-03-01T07:00:00Z",
        end="2025-03-01T08:30:00Z",
        seconds=5400.0,
        reason="restart",
        camera="gate-of-the-southern-warehouse-by-the-river",
    )
    for name, queries in (("3", ["aaaa11112222"]), ("4", ["aaaa11112222", "bbbb11112222"])):
        script.put(*("blind", name), reason="overload", queries=queries)
    return script


def test_every_camera_was_watched(terminal: Terminal) -> None:
    ran = terminal.ask("blind", *SINCE)
    assert ran.out == "No blind periods since 2025-03-01 08:00:00Z: every camera was watched.\n"
    assert terminal.ask("blind", "--json").out == ""


def test_periods_are_listed_with_how_long_they_were(periods: Script, terminal: Terminal) -> None:
    shown = terminal.ask("blind", *SINCE).out
    assert max(map(len, shown.splitlines())) <= 80
    for part in ("yard", "42 s", "90 min", "stream", "restart", "all", "aaaa11112222"):
        assert part in shown


def test_totals_count_each_second_of_a_camera_once_and_none_before(
    periods: Script, terminal: Terminal
) -> None:
    shown = " ".join(terminal.ask("blind", *SINCE, "--limit", "2").out.split())
    assert shown.endswith(
        "since 2025-03-01 08:00:00Z: overload 42 s, restart 30 min, stream 42 s; "
        "the newest 2 of 4 periods"
    )


def test_programs_get_the_periods(periods: Script, terminal: Terminal) -> None:
    found = terminal.ask("blind", *SINCE, "--limit", "3", "--json").lines
    assert [one["reason"] for one in found] == ["stream", "restart", "overload"]


def test_what_is_asked_for(script: Script, terminal: Terminal) -> None:
    script.put("queries", "aaaa11112222")
    terminal.ask("blind", "--camera", "yard", "--query", "aaaa", "--reason", "lag", "--since", "2d")
    asked = script.asked[-1].params
    parse_utc(asked.pop("since")[0])
    assert asked == {
        "camera": ["yard"],
        "query": ["aaaa11112222"],
        "reason": ["lag"],
        "limit": ["200"],
    }


def test_since_when_must_be_meant(terminal: Terminal) -> None:
    assert "yesterday" in terminal.ask("blind", "--since", "yesterday", code=2).err
