import pytest

from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script

FENCE = "aaaa11112222"
SMOKE = "aaaa11113333"


@pytest.fixture
def script(script: Script) -> Script:
    script.put(
        "queries",
        FENCE,
        text="a person climbs over the fence [at] the north gate",
        cameras=["gate-*", "yard"],
        negatives=["a bird"],
        labels={"site": "north"},
        cooldown_seconds=600.0,
        schedule={
            "hours": [{"days": ["sat", "sun"], "begin": "08:00", "end": "18:00"}],
            "timezone": "UTC",
        },
    )
    script.put(
        "queries",
        SMOKE,
        text="smoke",
        state="pending",
        sensitivity={"threshold": 0.25},
        declared=True,
    )
    return script


def test_a_query_needs_only_its_text(script: Script, terminal: Terminal) -> None:
    ran = terminal.ask("query", "add", "a red car")
    assert script.bodies("POST") == [{"text": "a red car"}]
    assert ran.out == "query 000000000002 is armed: a red car\n"


def test_everything_that_can_be_said_of_a_query(script: Script, terminal: Terminal) -> None:
    terminal.ask(
        *("query", "add", "a red car", "--negative", "a bus", "--negative", "a van"),
        *("--camera", "gate-*", "--camera", "yard", "--alerts-per-day", "2.5"),
        *("--severity", "critical", "--for", "10s", "--keep-firing-for", "1m", "--cooldown", "1h"),
        *("--label", "site=north", "--schedule", "mon 08:00-09:00", "--schedule", "tue", "--draft"),
    )
    assert script.bodies("POST") == [
        {
            "text": "a red car",
            "negatives": ["a bus", "a van"],
            "cameras": ["gate-*", "yard"],
            "sensitivity": {"alerts_per_day": 2.5, "threshold": None},
            "severity": "critical",
            "for_seconds": 10,
            "keep_firing_for_seconds": 60,
            "cooldown_seconds": 3600,
            "labels": {"site": "north"},
            "schedule": {
                "hours": [
                    {"days": ["mon"], "begin": "08:00", "end": "09:00"},
                    {"days": ["tue"], "begin": "00:00", "end": "24:00"},
                ],
                "timezone": "UTC",
            },
            "state": "draft",
        }
    ]


def test_a_threshold_in_place_of_a_budget(script: Script, terminal: Terminal) -> None:
    terminal.ask("query", "add", "a red car", "--threshold", "0.2", "--paused")
    sensitivity = {"alerts_per_day": None, "threshold": 0.2}
    assert script.bodies("POST") == [
        {"text": "a red car", "sensitivity": sensitivity, "state": "paused"}
    ]


def test_what_the_server_warns_of_is_told_beside_the_answer(
    script: Script, terminal: Terminal
) -> None:
    warned = script.put("queries", "b" * 12, text="Feuer", warnings=["It is not English."])
    script.answers["POST /v1/queries"] = (201, warned)
    ran = terminal.ask("query", "add", "Feuer", "--json")
    assert ran.lines == [warned]
    assert ran.err == "warning: It is not English.\n"


@pytest.mark.parametrize(
    "options",
    [
        ("--threshold", "0.2", "--alerts-per-day", "1"),
        ("--paused", "--draft"),
        ("--for", "soon"),
        ("--label", "site"),
        ("--schedule", "8 to 9"),
    ],
)
def test_what_cannot_be_meant_is_not_asked(
    script: Script, terminal: Terminal, options: tuple[str, ...]
) -> None:
    ran = terminal.ask("query", "add", "a red car", *options, code=2)
    assert ran.err.startswith("watchword: ")
    assert script.asked == []


def test_the_table_fits_80_columns_and_shows_texts_as_typed(terminal: Terminal) -> None:
    shown = terminal.ask("query", "list").out
    assert max(len(line) for line in shown.splitlines()) <= 80
    for part in ("aaaa11112 ", "gate-* +1", "p >= 0.25", "1 a day", "[at]", "pending"):
        assert part in shown


def test_json_is_a_line_a_query(script: Script, terminal: Terminal) -> None:
    ran = terminal.ask("query", "list", "--json")
    assert ran.lines == list(script.entities["queries"].values())


def test_no_queries_are_a_sentence_or_nothing(script: Script, terminal: Terminal) -> None:
    script.entities["queries"].clear()
    assert "watchword query add" in terminal.ask("query", "list").out
    assert terminal.ask("query", "list", "--json").out == ""


def test_a_query_is_shown_whole(terminal: Terminal) -> None:
    shown = terminal.ask("query", "show", "aaaa11112").out
    for part in (FENCE, "a bird", "sat,sun 08:00-18:00 UTC", "600 s", "site=north", "version"):
        assert part in shown
    assert "configuration file" not in shown
    assert "configuration file" in terminal.ask("query", "show", SMOKE).out


def test_an_id_that_begins_several_changes_nothing(script: Script, terminal: Terminal) -> None:
    for words in (("edit", "aaaa", "--armed"), ("remove", SMOKE, "aaaa"), ("show", "aaaa")):
        assert "several queries" in terminal.ask("query", *words, code=2).err
    assert {one.method for one in script.asked} == {"GET"}


def test_an_edit_says_only_what_changes(script: Script, terminal: Terminal) -> None:
    terminal.ask(
        *("query", "edit", FENCE, "--threshold", "0.3", "--label", "site=", "--label", "floor=2"),
        *("--negative", "", "--camera", "", "--schedule", "", "--armed"),
    )
    assert script.bodies("PATCH") == [
        {
            "negatives": [],
            "cameras": ["*"],
            "sensitivity": {"alerts_per_day": None, "threshold": 0.3},
            "labels": {"site": None, "floor": "2"},
            "state": "armed",
            "schedule": None,
        }
    ]


def test_an_edit_of_lists_gives_them_whole(script: Script, terminal: Terminal) -> None:
    schedule = {"hours": [{"days": ["mon"], "begin": "00:00", "end": "24:00"}], "timezone": "UTC"}
    terminal.ask("query", "edit", FENCE, "--camera", "yard", "--schedule", "mon")
    assert script.bodies("PATCH") == [{"cameras": ["yard"], "schedule": schedule}]


def test_an_edit_of_nothing_is_refused(script: Script, terminal: Terminal) -> None:
    assert "nothing to change" in terminal.ask("query", "edit", FENCE, code=2).err
    assert script.asked == []


def test_queries_are_removed_all_or_none(script: Script, terminal: Terminal) -> None:
    terminal.ask("query", "remove", FENCE, "cccc", code=2)
    assert len(script.entities["queries"]) == 2
    ran = terminal.ask("query", "remove", FENCE, SMOKE, "--json")
    assert ran.lines == [{"removed": FENCE}, {"removed": SMOKE}]
    assert script.entities["queries"] == {}
