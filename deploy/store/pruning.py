"""Forgetting what is old, a little at a time: writers wait for no more than one helping."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from deploy.metrics import STORE_OVER_BOUND
from deploy.store.database import Database
from deploy.store.schema import (
    alerts,
    audit,
    blind_periods,
    cameras,
    dead_letters,
    deliveries,
    outbox,
)
from streamer.camera_record import CameraRecord

HELPING = 500  # rows a transaction
MOST_BLIND_PERIODS = 200_000


class Pruning:
    """Deletes old rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prune(self, before: float) -> int:
        """Forget what ended before a time (UTC seconds); returns how many rows that were.

        Closed alerts go with their events and deliveries; one of an old film is as old as the
        server knows of it, and stays while that film is a camera: it is read at every start, and
        would be told of anew. Deliveries, published changes and audit
        entries go by themselves, and so do dead letters and blind periods. Of the last there may
        be more than are kept: the oldest go, and are counted.
        """
        old: Sequence[tuple[sa.Column[int] | sa.Column[str], sa.ColumnElement[bool]]] = (
            (alerts.c.alert_id, self._old_alerts(before)),
            (deliveries.c.delivery_id, deliveries.c.settled_at < before),
            (outbox.c.outbox_id, outbox.c.published_at < before),
            (audit.c.audit_id, audit.c.at < before),
            (dead_letters.c.sequence, dead_letters.c.arrived_at < before),
            (blind_periods.c.period_id, blind_periods.c.end < before),
        )
        return sum(self._forget(key, condition) for key, condition in old) + self._make_room()

    def _old_alerts(self, before: float) -> sa.ColumnElement[bool]:
        with self._database.read() as connection:
            records = connection.execute(sa.select(cameras.c.record)).scalars()
            known = [msgspec.json.decode(record, type=CameraRecord) for record in records]
        films = [camera.camera_id for camera in known if camera.pace == "fastest"]
        return sa.and_(
            alerts.c.state == "closed",
            alerts.c.end < before,
            alerts.c.opened_at < before,
            alerts.c.camera_id.not_in(films),
        )

    def _make_room(self) -> int:
        """Forget the blind periods beyond what is kept, those that ended first."""
        ended = sa.select(blind_periods.c.end).order_by(blind_periods.c.end.desc())
        with self._database.read() as connection:
            last = connection.execute(ended.offset(MOST_BLIND_PERIODS).limit(1)).scalar()
        if last is None:
            return 0
        removed = self._forget(blind_periods.c.period_id, blind_periods.c.end <= last)
        STORE_OVER_BOUND.labels("blind period").inc(removed)
        return removed

    def _forget(
        self, key: sa.Column[int] | sa.Column[str], condition: sa.ColumnElement[bool]
    ) -> int:
        gone = 0
        while True:
            helping = sa.select(key).where(condition).limit(HELPING)
            with self._database.write() as connection:
                found = connection.execute(helping).scalars().all()
                connection.execute(sa.delete(key.table).where(key.in_(found)))
            gone += len(found)
            if len(found) < HELPING:
                return gone
