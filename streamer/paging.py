"""Lists in pages: `limit` and an opaque `cursor`, which says after what the next page begins."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from streamer.errors import EntityInvalidError

DEFAULT_LIMIT = 50
MOST = 200
_SEQUENCE_DIGITS = 18  # no store counts further

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many items a page has at most.")]
Cursor = Annotated[
    str | None,
    Query(description="The `next` of the page before; opaque. Without it, the first page."),
]
Row = TypeVar("Row")


def pack_cursor(after: str) -> str:
    """The cursor of the page that begins after this.

    >>> pack_cursor("yard")
    'eWFyZA'
    """
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def unpack_cursor(cursor: str | None) -> str:
    """After what the page begins; "" for the first.

    Raises EntityInvalidError for a cursor that `pack_cursor` did not make.
    """
    if cursor is None:
        return ""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        after = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error) as error:
        raise _foreign() from error
    if pack_cursor(after) != cursor or not after.isprintable():
        raise _foreign()
    return after


def unpack_sequence(cursor: str | None) -> int:
    """The sequence below which a page begins, of lists whose newest comes first; 0 for the first.

    Raises EntityInvalidError for a cursor of another list.
    """
    after = unpack_cursor(cursor)
    if not after:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= _SEQUENCE_DIGITS):
        raise foreign_cursor()
    return int(after)


def foreign_cursor() -> EntityInvalidError:
    """What is raised for the cursor of another list."""
    return EntityInvalidError(
        "The cursor belongs to another list: take `next` of the page before, unchanged, or "
        "begin without one."
    )


def cut_page(
    rows: Sequence[Row], limit: int, key: Callable[[Row], str]
) -> tuple[Sequence[Row], str | None]:
    """A page and the cursor of the next, of up to `limit + 1` rows that were asked for."""
    page = rows[:limit]
    return page, pack_cursor(key(page[-1])) if len(rows) > limit else None


def _foreign() -> EntityInvalidError:
    return EntityInvalidError(
        "The cursor is none that this server gave: take `next` of the page before, unchanged, or "
        "begin without one."
    )
