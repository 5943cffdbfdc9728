"""What people type for the fields of a query, camera, silence: from text to JSON."""

import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

from deploy.clock import parse_utc
from deploy.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw]?)+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)")
LONGEST_SECONDS = 10 * 365 * 86400.0


def parse_duration(text: str) -> float:
    """Seconds: `90`, `90s`, `15m`, `2h`, `1d`, `1h30m`.

    Raises UsageError for anything else.

    >>> parse_duration("1h30m")
    5400.0
    """
    written = text.strip().lower()
    parts = _PART.findall(written) if _DURATION.fullmatch(written) else []
    bare = sum(not unit for _, unit in parts)
    if not parts or bare > 1 or (bare and len(parts) > 1):
        raise UsageError(f"{text!r} is no length of time: write 90, 90s, 15m, 2h, 1d or 1h30m")
    seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
    if seconds > LONGEST_SECONDS:
        raise UsageError(f"{text!r} is longer than ten years")
    return float(seconds)


def parse_since(text: str) -> float:
    """UTC seconds: so long ago (`1h`), or at an RFC 3339 time.

    Raises UsageError for anything else.
    """
    if _DURATION.fullmatch(text.strip().lower()):
        return time.time() - parse_duration(text)
    return parse_utc(text)


def parse_labels(pairs: Sequence[str], *, removing: bool = False) -> dict[str, str | None]:
    """Labels of `key=value`; while editing, an empty value takes the label away (None).

    Raises UsageError for anything else.

    >>> parse_labels(["site=north", "floor=2"])
    {'site': 'north', 'floor': '2'}
    """
    labels: dict[str, str | None] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--label {pair!r} is no label: write it as key=value")
        if key.strip() in labels:
            raise UsageError(f"--label {key.strip()} is given twice")
        labels[key.strip()] = None if removing and not value else value
    return labels


def listed(values: Sequence[str]) -> list[str] | None:
    """A list that was given anew: None if it was not, no members if it was given as ''."""
    if not values:
        return None
    return [value for value in values if value.strip()]


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def refuse_together(**options: object) -> None:
    """Raise UsageError if more than one of these options was given."""
    names = ["--" + name.replace("_", "-") for name, value in options.items() if value]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} exclude each other: give one of them")


def refuse_nothing(changes: dict[str, Any], what: str) -> None:
    """Raise UsageError if an edit names no change."""
    if not changes:
        raise UsageError(f"nothing to change: name what of the {what} shall be different")


def label_text(labels: dict[str, str]) -> str:
    """Labels as they are typed."""
    return ", ".join(f"{key}={value}" for key, value in labels.items())


def joined(values: Iterable[object]) -> str:
    """A list in a table's cell."""
    return ", ".join(str(value) for value in values)
