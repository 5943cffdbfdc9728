"""Hours of the week. Berlin: UTC+1, +2 from 2024-03-31 01:00 UTC until 2024-10-27 01:00 UTC."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.errors import ScheduleError
from grounding.schedule import DAYS, Hours, Schedule, check_schedule

BERLIN = "Europe/Berlin"


def at(text: str) -> float:
    """UTC seconds of an instant written as "2024-03-31 00:59"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def schedule(*hours: Hours, timezone: str = "UTC") -> Schedule:
    return check_schedule(Schedule(hours=hours, timezone=timezone))


NIGHT = Hours(begin="22:00", end="06:00")


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        # 2024-07-01 is a Monday
        (Hours(), ["2024-07-01 00:00", "2024-07-07 23:59"], []),
        (
            Hours(begin="08:00", end="18:30"),
            ["2024-07-01 08:00", "2024-07-01 18:29:59"],
            ["2024-07-01 07:59:59", "2024-07-01 18:30"],
        ),
        (
            Hours(days=("sat", "sun")),
            ["2024-07-06 00:00", "2024-07-07 23:59:59"],
            ["2024-07-05 23:59:59", "2024-07-08 00:00"],
        ),
        (
            NIGHT,
            ["2024-07-01 22:00", "2024-07-02 00:00", "2024-07-02 05:59:59"],
            ["2024-07-01 06:00", "2024-07-01 21:59:59"],
        ),
        (
            # from Friday evening until Saturday morning, and at no other time
            Hours(days=("fri",), begin="22:00", end="06:00"),
            ["2024-07-05 22:00", "2024-07-06 05:59"],
            ["2024-07-05 05:59", "2024-07-06 22:00", "2024-07-06 06:00"],
        ),
        (
            # from Sunday over the end of the week
            Hours(days=("sun",), begin="23:00", end="01:00"),
            ["2024-07-07 23:30", "2024-07-08 00:30"],
            ["2024-07-07 00:30", "2024-07-08 01:00"],
        ),
        (
            # an end that is the begin is the next day's: a whole day
            Hours(days=("mon",), begin="08:00", end="08:00"),
            ["2024-07-01 08:00", "2024-07-02 07:59"],
            ["2024-07-01 07:59", "2024-07-02 08:00"],
        ),
    ],
)
def test_hours_of_the_week(hours: Hours, inside: list[str], outside: list[str]) -> None:
    made = schedule(hours)
    assert [text for text in inside if not made.includes(at(text))] == []
    assert [text for text in outside if made.includes(at(text))] == []


def test_several_hours_are_all_included() -> None:
    made = schedule(Hours(begin="06:00", end="09:00"), Hours(begin="16:00", end="19:00"))
    found = [hour for hour in range(24) if made.includes(at(f"2024-07-01 {hour:02}:30"))]
    assert found == [6, 7, 8, 16, 17, 18]


def test_hours_are_those_of_the_time_zone() -> None:
    made = schedule(Hours(days=("mon",), begin="00:00", end="08:00"), timezone="Asia/Tokyo")
    assert made.includes(at("2024-06-30 15:00"))  # Monday 00:00 in Tokyo
    assert made.includes(at("2024-06-30 22:59"))
    assert not made.includes(at("2024-06-30 23:00"))


def test_when_the_clock_is_put_forward_the_skipped_hour_is_nobodys() -> None:
    # 01:59 -> 03:00 on the wall: 02:00 to 03:00 does not exist, 02:30 to 04:00 begins at 03:00
    skipped = schedule(Hours(begin="02:00", end="03:00"), timezone=BERLIN)
    around = [at("2024-03-31 00:00") + 60 * minute for minute in range(120)]
    assert not any(skipped.includes(one) for one in around)
    half = schedule(Hours(begin="02:30", end="04:00"), timezone=BERLIN)
    assert not half.includes(at("2024-03-31 00:59"))
    assert half.includes(at("2024-03-31 01:00"))
    assert not half.includes(at("2024-03-31 02:00"))


def test_when_the_clock_is_put_back_the_hour_comes_twice() -> None:
    made = schedule(Hours(begin="02:00", end="03:00"), timezone=BERLIN)
    included = [
        minute for minute in range(-120, 180) if made.includes(at("2024-10-27 01:00") + 60 * minute)
    ]
    assert included == list(range(-60, 60))  # 00:00 to 02:00 UTC, both at 02:xx on the wall


def test_office_hours_move_with_the_wall_clock() -> None:
    made = schedule(Hours(begin="09:00", end="17:00"), timezone=BERLIN)
    assert made.includes(at("2024-01-10 08:00"))
    assert not made.includes(at("2024-01-10 07:00"))
    assert made.includes(at("2024-07-10 07:00"))


days = st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True).map(tuple)
clocks = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
hours = st.builds(Hours, days=days, begin=clocks, end=clocks | st.just("24:00"))
zones = st.sampled_from(
    ["UTC", BERLIN, "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]
)
instants = st.integers(int(at("2000-01-01 00:00")), int(at("2037-12-31 00:00")))


def minutes(clock: str) -> timedelta:
    return timedelta(hours=int(clock[:2]), minutes=int(clock[3:]))


@given(hours, zones, instants)
def test_it_includes_what_a_calendar_says(drawn: Hours, zone: str, instant: int) -> None:
    local = datetime.fromtimestamp(instant, ZoneInfo(zone)).replace(tzinfo=None)
    expected = False
    for back in (0, 1):
        midnight = datetime.combine(local.date(), datetime.min.time()) - timedelta(days=back)
        begin, end = midnight + minutes(drawn.begin), midnight + minutes(drawn.end)
        if end <= begin:
            end += timedelta(days=1)
        if DAYS[midnight.weekday()] in drawn.days:
            expected |= begin <= local < end
    assert schedule(drawn, timezone=zone).includes(instant) == expected


@given(hours, zones, instants, st.floats(0, 59.999))
def test_the_answer_is_the_same_all_through_a_minute_of_utc(
    drawn: Hours, zone: str, instant: int, later: float
) -> None:
    made = schedule(drawn, timezone=zone)
    minute = instant - instant % 60
    assert made.includes(minute) == made.includes(minute + later)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (Schedule(hours=()), "has no hours"),
        (Schedule(hours=(Hours(days=()),)), "on no day"),
        (Schedule(hours=(Hours(begin="24:00"),)), "'00:00' of the next day"),
        (Schedule(hours=(Hours(begin="7:30"),)), "'7:30' is no time of day"),
        (Schedule(hours=(Hours(begin="07:60"),)), "'07:60'"),
        (Schedule(hours=(Hours(end="24:01"),)), "'24:01'"),
        (Schedule(hours=(Hours(end="noon\n"),)), "no time of day"),
        (Schedule(hours=(Hours(end="08:00\n"),)), "no time of day"),
        (Schedule(hours=(Hours(),), timezone="Mars/Olympus"), "'Mars/Olympus' is no time zone"),
        (Schedule(hours=(Hours(),), timezone=""), "no time zone"),
        (Schedule(hours=(Hours(),), timezone="../../etc/passwd"), "no time zone"),
        (Schedule(hours=(Hours(),), timezone="America"), "no time zone"),
        (Schedule(hours=(Hours(),), timezone="a\0b"), "no time zone"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(bad: Schedule, sentence: str) -> None:
    with pytest.raises(ScheduleError, match=sentence):
        check_schedule(bad)
