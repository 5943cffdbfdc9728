from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.schedule_text import DAYS, parse_schedules, schedule_lines
from deploy.errors import UsageError


def hours(days: list[str], begin: str = "00:00", end: str = "24:00") -> dict[str, Any]:
    return {"days": days, "begin": begin, "end": end}


@pytest.mark.parametrize(
    ("text", "expected", "zone"),
    [
        (
            "mon-fri 08:00-18:00 Europe/Berlin",
            hours(list(DAYS[:5]), "08:00", "18:00"),
            "Europe/Berlin",
        ),
        ("sat,sun", hours(["sat", "sun"]), "UTC"),
        ("Fri-Mon 9:00-17:30", hours(["mon", "fri", "sat", "sun"], "09:00", "17:30"), "UTC"),
        ("22:00-06:00", hours(list(DAYS), "22:00", "06:00"), "UTC"),
        ("daily 08:00-09:00 GMT", hours(list(DAYS), "08:00", "09:00"), "GMT"),
        ("UTC", hours(list(DAYS)), "UTC"),
        ("tue EST", hours(["tue"]), "EST"),
    ],
)
def test_a_schedule_as_people_type_it(text: str, expected: dict[str, Any], zone: str) -> None:
    assert parse_schedules([text]) == {"hours": [expected], "timezone": zone}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mun-fri 08:00-18:00",
        "mon 08:00 18:00",
        "mon-fri 8-18",
        "mon Europe/Berlin 08:00-18:00",
        "mon 08:00-18:00 Europe/Berlin now",
    ],
)
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(UsageError, match="--schedule"):
        parse_schedules([text])


def test_several_hours_keep_one_zone() -> None:
    lines = ["mon 08:00-12:00 Asia/Tokyo", "tue 09:00-10:00 Asia/Tokyo"]
    assert schedule_lines(parse_schedules(lines)) == lines
    with pytest.raises(UsageError, match="not Asia/Tokyo and UTC"):
        parse_schedules([lines[0], "tue"])


clock = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))


@given(
    st.lists(
        st.builds(hours, st.sets(st.sampled_from(DAYS), min_size=1).map(list), clock, clock),
        min_size=1,
    ),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"]),
)
def test_what_is_shown_can_be_typed(entries: list[dict[str, Any]], zone: str) -> None:
    for entry in entries:
        entry["days"].sort(key=DAYS.index)
    schedule = {"hours": entries, "timezone": zone}
    assert parse_schedules(schedule_lines(schedule)) == schedule


@given(st.text(max_size=40))
def test_any_text_is_a_schedule_or_a_sentence(text: str) -> None:
    with suppress(UsageError):
        assert set(parse_schedules([text])["hours"][0]["days"]) <= set(DAYS)
