"""Deliveries as rows that workers claim: one at a time for each subscription, the oldest first."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa

from deploy.store.bell import Bell
from deploy.store.database import Database
from deploy.store.schema import deliveries, subscriptions
from deploy.store.subscriptions import Subscriptions
from grounding.alert_subscription import AlertSubscription
from grounding.stores import Delivery
from grounding.webhook_message import TEST, check_body

# A test message is claimed from the beginning; this only tells when nobody works on it any more
TEST_LEASE_SECONDS = 60.0
BY = "delivery"  # as the audit names it

_WAITING = deliveries.c.outcome.is_(None)


class Deliveries:
    """A `grounding.stores.DeliveryQueue`, for the workers of all processes.

    A worker that outlived its lease changes nothing, unless it says that the delivery was sent.
    """

    def __init__(self, database: Database, wanting: Subscriptions, bell: Bell) -> None:
        self._database = database
        self._subscriptions = wanting
        self._bell = bell

    def claim(self, limit: int, lease_seconds: float) -> Sequence[Delivery]:
        """See `DeliveryQueue.claim`."""
        with self._database.write(beside=True) as connection:
            now = self._database.clock()
            rows = connection.execute(_due(now).limit(limit)).all()
            if not rows:
                return []
            ids = [row.delivery_id for row in rows]
            lease = {"leased_until": now + lease_seconds, "claims": deliveries.c.claims + 1}
            claimed = sa.update(deliveries).where(deliveries.c.delivery_id.in_(ids))
            connection.execute(claimed.values(lease))
        return [self._delivery(row) for row in rows]

    def wait(self, timeout: float) -> bool:
        """Whether something may be due: since this thread last waited, or within `timeout`."""
        return self._bell.wait(timeout)

    def sent(self, delivery: Delivery) -> None:
        """See `DeliveryQueue.sent`."""
        self._settle(deliveries.c.delivery_id == delivery.delivery_id, "sent", "")

    def retry(self, delivery: Delivery, at: float, why: str) -> None:
        """See `DeliveryQueue.retry`; a test message is given up."""
        if delivery.state == TEST:
            self.give_up(delivery, why)
            return
        again = {
            "due_at": at,
            "leased_until": None,
            "why": why,
            "attempts": deliveries.c.attempts + 1,
        }
        with self._database.write(beside=True) as connection:
            connection.execute(sa.update(deliveries).where(*_mine(delivery)).values(again))

    def give_up(self, delivery: Delivery, why: str) -> None:
        """See `DeliveryQueue.give_up`."""
        self._settle(sa.and_(*_mine(delivery)), "failed", why)

    def disable(self, subscription_id: str, why: str) -> None:
        """See `DeliveryQueue.disable`; one that was removed meanwhile gets nothing anyway."""
        rows = self._subscriptions.rows
        with self._database.write() as connection:
            if (before := rows.find(connection, subscription_id)) is None:
                return
            disabled = msgspec.structs.replace(before, disabled_reason=why)
            rows.update(connection, before, disabled, BY, "disabled")
            waiting = deliveries.c.subscription_id == subscription_id
            connection.execute(self._settled(waiting, "failed", why))

    def test(self, subscription_id: str) -> Delivery:
        """See `DeliveryQueue.test`."""
        with self._database.write() as connection:
            now = self._database.clock()
            sealed = self._subscriptions.rows.known(connection, subscription_id)
            row = _test_row(sealed, now)
            added = connection.execute(sa.insert(deliveries).values(row))
            assert added.inserted_primary_key is not None
            subscription = self._subscriptions.opened(sealed)
        return Delivery(
            delivery_id=added.inserted_primary_key[0],
            url=subscription.url,
            secret=subscription.secret,
            claim=1,
            **{name: row[name] for name in _TOLD},
        )

    def release_all(self) -> None:
        """Free what a former process had claimed; its test messages are sent by nobody.

        Where other processes may be at work, their claims hold until they run out.
        """
        with self._database.write() as connection:
            now = self._database.clock()
            ended = deliveries.c.leased_until <= now if self._database.several else sa.true()
            why = "The server ended before it was sent."
            tests = sa.and_(deliveries.c.state == TEST, ended)
            connection.execute(self._settled(tests, "failed", why))
            free = sa.update(deliveries).where(_WAITING, deliveries.c.leased_until.is_not(None))
            connection.execute(free.where(ended).values(leased_until=None))

    def _settle(self, wanted: sa.ColumnElement[bool], outcome: str, why: str) -> None:
        with self._database.write(beside=True) as connection:
            connection.execute(self._settled(wanted, outcome, why))
        self._bell.ring()  # the next one of the subscription need not wait any longer

    def _settled(self, wanted: sa.ColumnElement[bool], outcome: str, why: str) -> sa.Update:
        end = {"outcome": outcome, "settled_at": self._database.clock(), "why": why}
        return sa.update(deliveries).where(_WAITING, wanted).values(leased_until=None, **end)

    def _delivery(self, row: sa.Row[Any]) -> Delivery:
        sealed = msgspec.json.decode(row.record, type=AlertSubscription)
        subscription = self._subscriptions.opened(sealed)
        return Delivery(
            delivery_id=row.delivery_id,
            url=subscription.url,
            secret=subscription.secret,
            claim=row.claims + 1,
            **{name: getattr(row, name) for name in _TOLD},
        )


_TOLD = (
    "subscription_id",
    "event_id",
    "body",
    "first_at",
    "state",
    "seen_until",
    "start",
    "attempts",
)


def _due(now: float) -> sa.Select[Any]:
    """The first waiting delivery of each active subscription, if it is due and nobody's."""
    waiting = sa.alias(deliveries)
    first = (
        sa.select(waiting.c.delivery_id)
        .where(waiting.c.outcome.is_(None), waiting.c.state != TEST)
        .where(waiting.c.subscription_id == subscriptions.c.subscription_id)
        .order_by(waiting.c.delivery_id)
        .limit(1)
        .correlate(subscriptions)
        .scalar_subquery()
    )
    free = sa.or_(deliveries.c.leased_until.is_(None), deliveries.c.leased_until <= now)
    return (
        sa.select(deliveries, subscriptions.c.record)
        .join(subscriptions, subscriptions.c.subscription_id == deliveries.c.subscription_id)
        # Waiting, said once more: another worker may settle it before its row is locked here
        .where(deliveries.c.delivery_id == first, _WAITING, subscriptions.c.active)
        .where(deliveries.c.due_at <= now, free)
        .order_by(deliveries.c.delivery_id)
        .with_for_update(of=deliveries, skip_locked=True)
    )


def _mine(delivery: Delivery) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        deliveries.c.delivery_id == delivery.delivery_id,
        deliveries.c.claims == delivery.claim,
        _WAITING,
    )


def _test_row(subscription: AlertSubscription, now: float) -> dict[str, Any]:
    return {
        "subscription_id": subscription.subscription_id,
        "event_id": f"{TEST}.{uuid4().hex}",
        "state": TEST,
        "seen_until": now,
        "start": now,
        "body": check_body(subscription.subscription_id, now),
        "first_at": now,
        "due_at": now,
        "attempts": 0,
        "claims": 1,
        "leased_until": now + TEST_LEASE_SECONDS,
        "why": "",
    }
