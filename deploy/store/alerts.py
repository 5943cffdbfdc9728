"""Alerts and their events, for those who read, acknowledge and judge them."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from deploy.store.alert_intake import AlertIntake
from deploy.store.audit import Audit, AuditEntry
from deploy.store.database import Database
from deploy.store.entities import next_revision
from deploy.store.outbox import Outbox
from deploy.store.schema import alert_events, alerts
from grounding.alert import Alert
from grounding.feedback_record import pack_feedback
from grounding.stored_alert import AlertEvent, AlertFilter, Feedback, StoredAlert
from streamer.bus import FEEDBACK
from streamer.errors import EntityNotFoundError


class Alerts:
    """A `grounding.stores.AlertStore`, and what writes it."""

    def __init__(
        self, database: Database, intake: AlertIntake, outbox: Outbox, audit: Audit
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._intake = intake
        self._audit = audit
        self._listeners: tuple[Callable[[], None], ...] = ()

    def write(self, items: Sequence[tuple[Alert, bytes]]) -> int:
        """Take in events, each with its tracker's state, as one; returns how many were new."""
        taken = self._intake.take(items)
        if taken:
            self.tell()
        return taken

    def tell(self) -> None:
        """Call those who listen: there are new events, of this process or another."""
        for call in self._listeners:
            call()

    def listen(self, callback: Callable[[], None]) -> None:
        """Have it called after new events were stored, from any thread, rather once too often."""
        self._listeners = (*self._listeners, callback)

    def open_states(self) -> list[bytes]:
        """What the trackers knew of the alerts that are not closed, the oldest first."""
        wanted = sa.select(alerts.c.tracked).where(
            alerts.c.state.in_(("opened", "updated")), alerts.c.tracked.is_not(None)
        )
        with self._database.read() as connection:
            return list(connection.execute(wanted.order_by(alerts.c.opening)).scalars())

    def get(self, alert_id: str) -> StoredAlert:
        """See `AlertStore.get`."""
        with self._database.read() as connection:
            return _stored(_row(connection, alert_id))

    def page(self, wanted: AlertFilter, before: int, limit: int) -> Sequence[StoredAlert]:
        """See `AlertStore.page`."""
        found = sa.select(alerts).where(*_conditions(wanted))
        if before:
            found = found.where(alerts.c.opening < before)
        with self._database.read() as connection:
            rows = connection.execute(found.order_by(alerts.c.opening.desc()).limit(limit))
            return [_stored(row) for row in rows]

    def opening(self, alert_id: str) -> int:
        """See `AlertStore.opening`."""
        with self._database.read() as connection:
            opening: int = _row(connection, alert_id).opening
            return opening

    def history(self, alert_id: str) -> Sequence[AlertEvent]:
        """See `AlertStore.history`."""
        wanted = sa.select(alert_events).where(alert_events.c.alert_id == alert_id)
        with self._database.read() as connection:
            _row(connection, alert_id)
            rows = connection.execute(wanted.order_by(alert_events.c.revision))
            return [_event(row) for row in rows]

    def acknowledge(self, alert_id: str, by: str) -> StoredAlert:
        """See `AlertStore.acknowledge`."""
        with self._database.write() as connection:
            if _row(connection, alert_id).acknowledged_at is None:
                noted = {"acknowledged_at": self._database.clock(), "acknowledged_by": by}
                self._note(connection, alert_id, noted)
                self._audit.put(connection, _entry(by, "acknowledged", alert_id))
            return _stored(_row(connection, alert_id))

    def give_feedback(self, alert_id: str, feedback: Feedback) -> StoredAlert:
        """See `AlertStore.give_feedback`."""
        with self._database.write() as connection:
            before = _stored(_row(connection, alert_id))
            packed = msgspec.json.encode(feedback).decode()
            self._note(connection, alert_id, {"feedback": packed})
            entry = _entry(feedback.by, "judged", alert_id, before.feedback, feedback)
            self._audit.put(connection, entry)
            told = pack_feedback(before.alert, feedback).decode()
            revision, camera_id = next_revision(connection), before.alert.camera_id
            self._outbox.put(connection, FEEDBACK, camera_id, revision, told)
            stored = _stored(_row(connection, alert_id))
        self._outbox.bell.ring()
        return stored

    def events_after(self, sequence: int, limit: int) -> Sequence[AlertEvent]:
        """See `AlertStore.events_after`."""
        key = alert_events.c.sequence
        wanted = sa.select(alert_events).where(key > sequence).order_by(key).limit(limit)
        with self._database.read() as connection:
            return [_event(row) for row in connection.execute(wanted)]

    def sequence_of(self, event_id: str) -> int | None:
        """See `AlertStore.sequence_of`."""
        wanted = sa.select(alert_events.c.sequence).where(alert_events.c.event_id == event_id)
        with self._database.read() as connection:
            return connection.execute(wanted).scalar()

    def last_sequence(self) -> int:
        """See `AlertStore.last_sequence`."""
        with self._database.read() as connection:
            return connection.execute(sa.select(sa.func.max(alert_events.c.sequence))).scalar() or 0

    def _note(self, connection: sa.Connection, alert_id: str, noted: dict[str, Any]) -> None:
        connection.execute(sa.update(alerts).where(alerts.c.alert_id == alert_id).values(noted))


def _row(connection: sa.Connection, alert_id: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(alerts).where(alerts.c.alert_id == alert_id)).first()
    if row is None:
        raise EntityNotFoundError(f"There is no alert {alert_id!r}.")
    return row


def _stored(row: sa.Row[Any]) -> StoredAlert:
    return StoredAlert(
        alert=msgspec.json.decode(row.alert, type=Alert),
        sequence=row.sequence,
        opened_at=row.opened_at,
        suppressed=row.suppressed,
        suppressed_by=row.suppressed_by,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        feedback=row.feedback and msgspec.json.decode(row.feedback, type=Feedback),
    )


def _event(row: sa.Row[Any]) -> AlertEvent:
    alert = msgspec.json.decode(row.alert, type=Alert)
    return AlertEvent(sequence=row.sequence, alert=alert, suppressed=row.suppressed)


def _entry(
    by: str, action: str, alert_id: str, former: Feedback | None = None, new: Feedback | None = None
) -> AuditEntry:
    return AuditEntry(
        by=by,
        action=action,
        kind="alert",
        entity_id=alert_id,
        before=msgspec.to_builtins(former) if former else None,
        after=msgspec.to_builtins(new) if new else None,
    )


def _conditions(wanted: AlertFilter) -> list[sa.ColumnElement[bool]]:
    lists = (
        (alerts.c.query_id, wanted.query_ids),
        (alerts.c.camera_id, wanted.camera_ids),
        (alerts.c.state, wanted.states),
        (alerts.c.severity, wanted.severities),
    )
    presences = (
        (alerts.c.acknowledged_at, wanted.acknowledged),
        (alerts.c.suppressed, wanted.suppressed),
    )
    conditions: list[sa.ColumnElement[bool]] = [
        column.in_(values) for column, values in lists if values
    ]
    conditions += [
        column.is_not(None) if present else column.is_(None)
        for column, present in presences
        if present is not None
    ]
    if wanted.since is not None:
        conditions.append(alerts.c.start >= wanted.since)
    if wanted.until is not None:
        conditions.append(alerts.c.start < wanted.until)
    return conditions
