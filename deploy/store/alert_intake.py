"""Taking in what grounding publishes: each event once, with all that follows from it, as one.

An event, the alert's newest state, the tracker's state, whether anybody is told, and the
deliveries stand in one transaction: after a crash all of it is there, or none, and the event
comes again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from deploy.metrics import ALERTS_SUPPRESSED
from deploy.store.bell import Bell
from deploy.store.database import Database
from deploy.store.queries import Queries
from deploy.store.schema import alert_events, alerts, deliveries
from deploy.store.silences import Silences
from deploy.store.subscriptions import Subscriptions
from grounding.alert import Alert
from grounding.alert_subscription import AlertSubscription
from grounding.silence import Silence
from grounding.stored_alert import Suppression
from grounding.webhook_message import webhook_body

ALERT_NEWS = "alerts"  # as other processes hear of events and deliveries


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Why nobody is told of an alert, and by what; decided when it opens."""

    reason: Suppression | None = None
    by: str = ""


@dataclass(slots=True)
class _Batch:
    """What one transaction of events is judged by."""

    connection: sa.Connection
    now: float
    silences: Sequence[Silence]
    subscriptions: Sequence[AlertSubscription]
    cooldowns: dict[str, float] = field(default_factory=dict)  # by query id
    suppressed: list[str] = field(default_factory=list)  # reasons
    taken: int = 0


class AlertIntake:
    """Writes events; `bell` rings when there may be something to deliver."""

    def __init__(
        self,
        database: Database,
        queries: Queries,
        silences: Silences,
        subscriptions: Subscriptions,
        bell: Bell,
    ) -> None:
        self._database = database
        self._queries = queries
        self._silences = silences
        self._subscriptions = subscriptions
        self._bell = bell

    def take(self, items: Sequence[tuple[Alert, bytes]]) -> int:
        """Store the events that are new, all or none; returns how many there were."""
        if not items:
            return 0
        with self._database.write() as connection:
            batch = self._batch(connection, min(alert.at for alert, _ in items))
            for alert, tracked in items:
                if not _is_known(connection, alert):
                    self._take(batch, alert, tracked)
            if batch.taken:
                self._database.announce(connection, ALERT_NEWS)
        for reason in batch.suppressed:
            ALERTS_SUPPRESSED.labels(reason).inc()
        if batch.taken:
            self._bell.ring()
        return batch.taken

    def _batch(self, connection: sa.Connection, oldest: float) -> _Batch:
        now = self._database.clock()
        silences = self._silences.around(connection, min(now, oldest), now)
        return _Batch(connection, now, silences, self._subscriptions.active(connection))

    def _take(self, batch: _Batch, alert: Alert, tracked: bytes) -> None:
        connection = batch.connection
        place = alerts.c.alert_id == alert.alert_id
        row = connection.execute(sa.select(alerts).where(place)).first()
        verdict = _Verdict(row.suppressed) if row else self._judge(batch, alert)
        sequence = _insert_event(connection, alert, verdict)
        if row is None:
            opening = _opening(batch, alert, sequence, verdict)
            connection.execute(
                sa.insert(alerts).values(opening | _newest(alert, sequence, tracked))
            )
            batch.suppressed += [verdict.reason] if verdict.reason else []
        elif alert.revision > row.revision:
            newest = _newest(alert, sequence, tracked)
            connection.execute(sa.update(alerts).where(place).values(newest))
        if verdict.reason is None:
            _insert_deliveries(batch, alert)
        batch.taken += 1

    def _judge(self, batch: _Batch, alert: Alert) -> _Verdict:
        for silence in batch.silences:
            # Told now, or opened then, when it comes late: neither is wanted during a silence
            if silence.covers(alert, batch.now) or silence.covers(alert, alert.at):
                return _Verdict("silence", silence.silence_id)
        if cooldown := self._cooldown(batch, alert.query_id):
            earlier = _opened_within(batch.connection, alert, cooldown)
            if earlier is not None:
                return _Verdict("cooldown", earlier)
        return _Verdict()

    def _cooldown(self, batch: _Batch, query_id: str) -> float:
        if query_id not in batch.cooldowns:
            query = self._queries.rows.find(batch.connection, query_id)
            batch.cooldowns[query_id] = query.cooldown_seconds if query else 0.0
        return batch.cooldowns[query_id]


def _is_known(connection: sa.Connection, alert: Alert) -> bool:
    wanted = sa.select(alert_events.c.sequence).where(alert_events.c.event_id == alert.event_id)
    return connection.execute(wanted).first() is not None


def _opened_within(connection: sa.Connection, alert: Alert, seconds: float) -> str | None:
    """The newest alert of the same query and camera that was told and opened shortly before.

    Counted on the camera's clock: alerts that come late, in a heap, are not nearer to each other.
    """
    wanted = (
        sa.select(alerts.c.alert_id)
        .where(alerts.c.query_id == alert.query_id, alerts.c.camera_id == alert.camera_id)
        .where(alerts.c.suppressed.is_(None))
        .where(alerts.c.seen_at_opening > alert.at - seconds)
        .where(alerts.c.seen_at_opening <= alert.at)
    )
    newest = wanted.order_by(alerts.c.opening.desc()).limit(1)
    return connection.execute(newest).scalar()


def _insert_event(connection: sa.Connection, alert: Alert, verdict: _Verdict) -> int:
    row = {
        "event_id": alert.event_id,
        "alert_id": alert.alert_id,
        "revision": alert.revision,
        "suppressed": verdict.reason,
        "alert": _pack(alert),
    }
    added = connection.execute(sa.insert(alert_events).values(row))
    assert added.inserted_primary_key is not None
    sequence: int = added.inserted_primary_key[0]
    return sequence


def _opening(batch: _Batch, alert: Alert, sequence: int, verdict: _Verdict) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "opening": sequence,
        "query_id": alert.query_id,
        "camera_id": alert.camera_id,
        "seen_at_opening": alert.at,
        "opened_at": batch.now,
        "suppressed": verdict.reason,
        "suppressed_by": verdict.by,
        "acknowledged_by": "",
    }


def _newest(alert: Alert, sequence: int, tracked: bytes) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "revision": alert.revision,
        "state": alert.state,
        "severity": alert.severity,
        "start": alert.start,
        "end": alert.end,
        "alert": _pack(alert),
        # Nobody goes on with a closed alert
        "tracked": None if alert.state == "closed" else tracked or None,
    }


def _insert_deliveries(batch: _Batch, alert: Alert) -> None:
    wanting = [one for one in batch.subscriptions if one.wants(alert)]
    if not wanting:
        return
    row = {
        "event_id": alert.event_id,
        "alert_id": alert.alert_id,
        "state": alert.state,
        "seen_until": alert.at,
        "start": alert.start,
        "body": webhook_body(alert, batch.now),
        "first_at": batch.now,
        "due_at": batch.now,
        "attempts": 0,
        "claims": 0,
        "why": "",
    }
    rows = [{**row, "subscription_id": one.subscription_id} for one in wanting]
    batch.connection.execute(sa.insert(deliveries), rows)


def _pack(alert: Alert) -> str:
    return msgspec.json.encode(alert).decode()
