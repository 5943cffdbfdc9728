"""Blind periods as a store keeps them: those that touch are one."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from grounding.blind import EVERY_QUERY, BlindPeriod, BlindReason, unpack_blind
from streamer.bus import Record
from streamer.errors import RecordError

# Ends and starts are sums of clip lengths: what differs by less is the same moment
TOUCHING_SECONDS = 0.001
_LATEST = 7_258_118_400.0  # the year 2200: nothing later can be meant, or told as RFC 3339

Sort = tuple[str, BlindReason, tuple[str, ...]]


class QueryScope(msgspec.Struct, frozen=True, kw_only=True):
    """A query, and the cameras it has watched since it was registered (UTC seconds)."""

    query_id: str
    cameras: tuple[str, ...] = ()  # patterns; none: of a query that is gone, only its id is known
    since: float = 0.0


class BlindFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which blind periods a reader wants; () and None mean all.

    A period belongs to a query if it names it, or is of every query that watches the camera.
    Between `since` and `until` (UTC seconds) lie all periods that reach into that time.
    """

    camera_ids: tuple[str, ...] = ()
    queries: tuple[QueryScope, ...] = ()
    reasons: tuple[BlindReason, ...] = ()
    since: float | None = None
    until: float | None = None


class StoredBlindPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A blind period and the number that the store gave it."""

    period_id: int
    period: BlindPeriod


def read_blind(records: Iterable[Record]) -> list[BlindPeriod]:
    """The periods of records of the blind topic.

    Raises:
        RecordError: one of them is no period, or is of a later schema.
    """
    return [_checked(unpack_blind(record.value or b"")) for record in records]


def _checked(period: BlindPeriod) -> BlindPeriod:
    if not 0.0 <= period.start < period.end <= _LATEST:
        raise RecordError(f"A blind period from {period.start} to {period.end} cannot be meant.")
    if not period.queries or any("\0" in name for name in (period.camera_id, *period.queries)):
        raise RecordError("A blind period names no query, or a name that none can have.")
    return period


def sort_of(period: BlindPeriod) -> Sort:
    """What periods have in common that may be merged: the camera, the reason and the queries."""
    queries = EVERY_QUERY if "*" in period.queries else tuple(sorted(set(period.queries)))
    return period.camera_id, period.reason, queries


def touch(first: BlindPeriod, second: BlindPeriod) -> bool:
    """Whether there is no time between the two."""
    latest, earliest = max(first.start, second.start), min(first.end, second.end)
    return latest - earliest <= TOUCHING_SECONDS


def merge_blind(periods: Iterable[BlindPeriod]) -> list[BlindPeriod]:
    """The same times with as few periods as possible, whatever their order and repetition."""
    by_sort: dict[Sort, list[BlindPeriod]] = defaultdict(list)
    for period in periods:
        by_sort[sort_of(period)].append(period)
    merged: list[BlindPeriod] = []
    for (_, _, queries), alike in by_sort.items():
        alike.sort(key=lambda period: period.start)
        last = len(merged)
        for period in alike:
            if len(merged) > last and touch(merged[-1], period):
                merged[-1] = hull([merged[-1], period])
            else:
                merged.append(msgspec.structs.replace(period, queries=queries))
    return merged


def hull(periods: Sequence[BlindPeriod]) -> BlindPeriod:
    """The one period that periods of one sort make, which touch."""
    start = min(period.start for period in periods)
    end = max(period.end for period in periods)
    return msgspec.structs.replace(periods[0], start=start, end=end)
