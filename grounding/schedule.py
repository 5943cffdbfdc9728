"""When a standing query is watched for: hours of the week in a time zone."""

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from grounding.errors import ScheduleError

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

DAYS: tuple[Day, ...] = get_args(Day)  # as datetime.weekday counts them
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_END_OF_DAY = "24:00"


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """From `begin` to `end` ("HH:MM") on these days; an end not after the begin is next day's."""

    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    begin: str = "00:00"
    end: str = "24:00"

    def include(self, weekday: int, minute: int) -> bool:
        """Whether a minute of a day (0 is Monday) on the wall clock lies inside."""
        begin, end = _minutes(self.begin), _minutes(self.end)
        today, yesterday = DAYS[weekday] in self.days, DAYS[weekday - 1] in self.days
        if begin < end:
            return today and begin <= minute < end
        return (today and minute >= begin) or (yesterday and minute < end)


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of the week in an IANA time zone; outside all of them the query rests."""

    hours: tuple[Hours, ...]
    timezone: str = "UTC"

    def includes(self, at: float) -> bool:
        """Whether the query is watched for at `at` (UTC seconds).

        Hours are those of the wall clock: where it is put forward the skipped hour is nobody's,
        where it is put back the hour comes twice. Raises ScheduleError for what `check_schedule`
        refuses.
        """
        local = datetime.fromtimestamp(at, _zone(self.timezone))
        weekday, minute = local.weekday(), 60 * local.hour + local.minute
        return any(hours.include(weekday, minute) for hours in self.hours)


def check_schedule(schedule: Schedule) -> Schedule:
    """Return the schedule; raises ScheduleError naming the field and what it should be."""
    _zone(schedule.timezone)
    if not schedule.hours:
        raise ScheduleError(
            "the schedule has no hours, so the query would never be watched for: name some, or "
            "leave the schedule out to watch always"
        )
    for hours in schedule.hours:
        if not hours.days:
            raise ScheduleError(f"hours on no day: name some of {', '.join(DAYS)}")
        if _minutes(hours.begin) == _minutes(_END_OF_DAY):
            raise ScheduleError("hours begin at '24:00': write '00:00' of the next day")
        _minutes(hours.end)
    return schedule


@lru_cache(maxsize=64)
def _minutes(clock: str) -> int:
    if clock == _END_OF_DAY:
        return 24 * 60
    match = _CLOCK.fullmatch(clock)
    if match is None:
        raise ScheduleError(
            f"{clock!r} is no time of day: write hours and minutes, as in '07:30', at most '24:00'"
        )
    return 60 * int(match[1]) + int(match[2])


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    if name == "UTC":  # known also where no time zones are installed
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(
            f"{name!r} is no time zone of this machine: write an IANA name, as in 'Europe/Berlin'"
        ) from error
