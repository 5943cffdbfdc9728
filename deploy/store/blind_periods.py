"""Blind periods: what touches is one, whatever comes twice or late."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from deploy.store.database import Database
from deploy.store.schema import blind_periods
from grounding.blind import EVERY_QUERY, BlindPeriod
from grounding.stored_blind import (
    TOUCHING_SECONDS,
    BlindFilter,
    QueryScope,
    StoredBlindPeriod,
    hull,
    merge_blind,
)
from grounding.stores import BlindPlace

Condition = sa.ColumnElement[bool]
_columns = blind_periods.c


class BlindPeriods:
    """A `grounding.stores.BlindStore`, and what writes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, periods: Sequence[BlindPeriod]) -> None:
        """Keep periods, as one transaction; those that are known already change nothing."""
        if not periods:
            return
        with self._database.write() as connection:
            for period in merge_blind(periods):
                _add(connection, period)

    def page(
        self, wanted: BlindFilter, after: BlindPlace | None, limit: int
    ) -> Sequence[StoredBlindPeriod]:
        """See `BlindStore.page`."""
        found = sa.select(blind_periods).where(*_conditions(wanted))
        if after is not None:
            start, number = after
            later = sa.and_(_columns.start == start, _columns.period_id < number)
            found = found.where(sa.or_(_columns.start < start, later))
        order = (_columns.start.desc(), _columns.period_id.desc())
        with self._database.read() as connection:
            rows = connection.execute(found.order_by(*order).limit(limit))
            return [StoredBlindPeriod(period_id=row.period_id, period=_period(row)) for row in rows]


def _add(connection: sa.Connection, period: BlindPeriod) -> None:
    """Store a period in place of those it touches."""
    scope = _scope(period)
    touching = sa.select(blind_periods).where(
        _columns.camera_id == period.camera_id,
        _columns.reason == period.reason,
        _columns.scope == scope,
        _columns.end >= period.start - TOUCHING_SECONDS,
        _columns.start <= period.end + TOUCHING_SECONDS,
    )
    rows = connection.execute(touching.order_by(_columns.start)).all()
    whole = hull([period, *(_period(row) for row in rows)])
    if not rows:
        connection.execute(sa.insert(blind_periods).values(_row(period, scope)))
        return
    first, *others = (row.period_id for row in rows)
    if others:
        connection.execute(sa.delete(blind_periods).where(_columns.period_id.in_(others)))
    grown = {"start": whole.start, "end": whole.end}
    connection.execute(sa.update(blind_periods).where(_columns.period_id == first).values(grown))


def _row(period: BlindPeriod, scope: str) -> dict[str, Any]:
    return {
        "camera_id": period.camera_id,
        "reason": period.reason,
        "scope": scope,
        "queries": _pack(period.queries),
        "start": period.start,
        "end": period.end,
    }


def _period(row: sa.Row[Any]) -> BlindPeriod:
    return BlindPeriod(
        camera_id=row.camera_id,
        start=row.start,
        end=row.end,
        reason=row.reason,
        queries=msgspec.json.decode(row.queries, type=tuple[str, ...]),
    )


def _scope(period: BlindPeriod) -> str:
    return hashlib.sha256(_pack(period.queries).encode()).hexdigest()[:32]


def _pack(queries: Sequence[str]) -> str:
    return msgspec.json.encode(queries).decode()


def _conditions(wanted: BlindFilter) -> list[Condition]:
    conditions: list[Condition] = []
    if wanted.camera_ids:
        conditions.append(_columns.camera_id.in_(wanted.camera_ids))
    if wanted.reasons:
        conditions.append(_columns.reason.in_(wanted.reasons))
    if wanted.since is not None:
        conditions.append(_columns.end > wanted.since)
    if wanted.until is not None:
        conditions.append(_columns.start < wanted.until)
    if wanted.queries:
        conditions.append(sa.or_(*(_concerns(query) for query in wanted.queries)))
    return conditions


def _concerns(query: QueryScope) -> Condition:
    """Whether a period is the query's: by its id, or as any that watches the camera."""
    named = _columns.queries.contains(_pack([query.query_id])[1:-1], autoescape=True)
    watched = [_matches(pattern) for pattern in query.cameras]
    if not watched:
        return named
    of_all = _columns.queries == _pack(EVERY_QUERY)
    return sa.or_(named, sa.and_(of_all, _columns.end > query.since, sa.or_(*watched)))


def _matches(pattern: str) -> Condition:
    escaped = pattern.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return _columns.camera_id.like(escaped.replace("*", "%"), escape="/")
