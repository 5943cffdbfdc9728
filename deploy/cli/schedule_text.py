"""Schedules as people type them: `mon-fri 08:00-18:00 Europe/Berlin`."""

import re
from collections.abc import Sequence
from typing import Any

from deploy.errors import UsageError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WHOLE_DAY = ("00:00", "24:00")
EXAMPLE = "mon-fri 08:00-18:00 Europe/Berlin"
_HOURS = re.compile(r"(\d{1,2}:\d{2})-(\d{1,2}:\d{2})")
_DAY_WORDS = re.compile(r"(?:[a-z]{3}(?:-[a-z]{3})?,?)+")


def parse_schedules(texts: Sequence[str]) -> dict[str, Any]:
    """The schedule that several lines of hours make together, as the API takes it.

    Raises UsageError for anything that is no schedule, or for two time zones.

    >>> parse_schedules(["sat,sun"])["hours"]
    [{'days': ['sat', 'sun'], 'begin': '00:00', 'end': '24:00'}]
    """
    hours, zones = [], set()
    for text in texts:
        days, clock, zone = _parts(text)
        begin, end = clock
        hours.append({"days": days, "begin": begin, "end": end})
        zones.add(zone)
    if len(zones) > 1:
        named = " and ".join(sorted(zones))
        raise UsageError(f"--schedule: one query keeps one time zone, not {named}")
    return {"hours": hours, "timezone": zones.pop() if zones else "UTC"}


def schedule_lines(schedule: dict[str, Any]) -> list[str]:
    """A schedule as it is typed, a line for each of its hours."""
    return [
        f"{_day_text(hours['days'])} {hours['begin']}-{hours['end']} {schedule['timezone']}"
        for hours in schedule["hours"]
    ]


def _parts(text: str) -> tuple[list[str], tuple[str, str], str]:
    """Days, hours and time zone, each of which may be left out, in this order."""
    words = text.split()
    days, clock, zone = list(DAYS), WHOLE_DAY, "UTC"
    if not words:
        raise UsageError(f"--schedule is empty: write it as '{EXAMPLE}'")
    if words[0].lower() == "daily":
        words.pop(0)
    elif _looks_like_days(words[0]):
        days = _days(words.pop(0).lower(), text)
    if words and (found := _HOURS.fullmatch(words[0])):
        clock = (found[1].zfill(5), found[2].zfill(5))
        words.pop(0)
    if words:
        zone = words.pop(0)
    if words or zone[0].isdigit():
        raise UsageError(f"--schedule {text!r} is no schedule: write it as '{EXAMPLE}'")
    return days, clock, zone


def _looks_like_days(word: str) -> bool:
    """Whether it was meant as days, and not as a zone such as GMT."""
    named = word.lower() in DAYS or not word.isupper()
    return named and _DAY_WORDS.fullmatch(word.lower()) is not None


def _days(word: str, text: str) -> list[str]:
    chosen: set[str] = set()
    for part in word.split(","):
        first, _, last = part.partition("-")
        if not {first, last or first} <= set(DAYS):
            raise UsageError(
                f"--schedule {text!r}: {part!r} names no day: use {', '.join(DAYS)} or mon-fri"
            )
        begin, end = DAYS.index(first), DAYS.index(last or first)
        reach = (end - begin) % len(DAYS)  # fri-mon goes over the week's end
        chosen |= {DAYS[(begin + step) % len(DAYS)] for step in range(reach + 1)}
    return [day for day in DAYS if day in chosen]


def _day_text(days: Sequence[str]) -> str:
    """Days as typed; three and more in a row as a span."""
    runs: list[list[str]] = []
    for day in [day for day in DAYS if day in days]:
        if runs and DAYS.index(runs[-1][-1]) + 1 == DAYS.index(day):
            runs[-1].append(day)
        else:
            runs.append([day])
    if runs and len(runs[0]) == len(DAYS):
        return "daily"
    spans = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(run) for run in runs]
    return ",".join(spans)
