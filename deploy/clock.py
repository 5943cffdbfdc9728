"""Times as people type and read them."""

import re
from datetime import UTC, datetime

from deploy.errors import UsageError

_OFFSET = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)")


def parse_offset(text: str) -> float:
    """Seconds from the beginning of a file: `90`, `90.5`, `1:30` or `1:02:03.5`.

    Raises UsageError for anything else.

    >>> parse_offset("1:02:03.5")
    3723.5
    """
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no time in a file: write seconds, MM:SS or HH:MM:SS")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    if (found[2] is not None and seconds >= 60) or (found[1] is not None and minutes >= 60):
        raise UsageError(f"{text!r} is no time in a file: minutes and seconds end at 59")
    return 3600 * hours + 60 * minutes + seconds


def parse_utc(text: str) -> float:
    """UTC seconds of an RFC 3339 time; a time without an offset is UTC.

    Raises UsageError for anything else.

    >>> parse_utc("1970-01-01T00:01:00Z")
    60.0
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no date and time: write it as 2025-03-01T08:00:00Z"
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def clock_time(at: float) -> str:
    """UTC seconds for people: `2025-03-01 08:00:05Z`.

    >>> clock_time(60.4)
    '1970-01-01 00:01:00Z'
    """
    return datetime.fromtimestamp(round(at), UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def minutes_and_seconds(seconds: float) -> str:
    """A place in a file for people: `1:05.2`, or `1:00:05.2` from an hour on.

    >>> minutes_and_seconds(65.23)
    '1:05.2'
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    clock = f"{minutes}:{rest / 10:04.1f}"
    return f"{hours}:{clock.zfill(7)}" if hours else clock
