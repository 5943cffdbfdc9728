"""Tables of what a server answers, made for 80 columns."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from deploy.clock import clock_time, parse_utc

# What a person must see at once stands out; the rest is plain
STYLES = {
    "live": "green",
    "armed": "green",
    "opened": "bold red",
    "updated": "bold red",
    "critical": "bold red",
    "warning": "yellow",
    "offline": "red",
    "failed": "red",
    "connecting": "yellow",
    "pending": "yellow",
    "paused": "dim",
    "draft": "dim",
}


def listing(columns: Sequence[str], wide: Sequence[str] = ()) -> Table:
    """A table of many things; the `wide` columns share the room the others leave, and wrap."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        if column in wide:
            table.add_column(column, ratio=1, overflow="fold")
        else:
            table.add_column(column, no_wrap=True)
    return table


def details(kind: str, name: str, rows: Iterable[tuple[str, object]]) -> Table:
    """One thing, a row for each of its fields that says something."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(kind, no_wrap=True)
    table.add_column(name, ratio=1, overflow="fold")
    for field, value in rows:
        if value not in ("", None):
            table.add_row(field, value if isinstance(value, Text | Table) else str(value))
    return table


def state(word: str | None) -> Text:
    """A state or severity, in the colour it has everywhere."""
    return Text(word or "-", style=STYLES.get(word or "", ""))


def moment(text: str | None) -> str:
    """An RFC 3339 time of an answer for people: `2025-03-01 08:00:05Z`; "" for none."""
    return "" if text is None else clock_time(parse_utc(text))


def lasting(seconds: float) -> str:
    """How long something lasted, in the largest unit that tells it.

    >>> lasting(90), lasting(5400)
    ('90 s', '90 min')
    """
    seconds = max(0.0, seconds)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def counted(items: Sequence[Any], one: str, many: str, table: Table) -> Table | str:
    """The table, or a sentence where there is nothing to show."""
    return table if items else f"no {many}: add one with `watchword {one} add`"
