"""What grounding's routes and deliveries need of a store.

`by` names who asked, for the audit. A write is durable when the call returns. Where nothing else
is said, the errors are those of `streamer.camera_store.CameraStore`.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from grounding.alert_subscription import AlertSubscription
from grounding.query_record import QueryRecord, QueryState
from grounding.silence import Silence
from grounding.stored_alert import AlertEvent, AlertFilter, Feedback, StoredAlert
from grounding.stored_blind import BlindFilter, StoredBlindPeriod

BlindPlace = tuple[float, int]  # of a blind period in the list: its start and its number


class QueryStore(Protocol):
    """Standing queries."""

    def add(self, query: QueryRecord, by: str) -> QueryRecord:
        """Store a new query; returns it with its revision and times."""

    def get(self, query_id: str) -> QueryRecord:
        """The query."""

    def state(self, query: QueryRecord) -> QueryState:
        """Its state now: what was wanted, but pending until its version's features are known."""

    def problem(self, query_id: str) -> str:
        """Why the query cannot be watched for, a sentence; "" if nothing is known against it."""

    def page(self, after: str, limit: int) -> Sequence[QueryRecord]:
        """Up to `limit` queries with ids after `after` ("" from the first), in the order of ids."""

    def replace(self, query: QueryRecord, by: str) -> QueryRecord:
        """Store a changed query; `query.revision` is the one that was read.

        A new version begins, effective now, if `is_new_version`; and when a query is armed again.
        """

    def remove(self, query_id: str, by: str) -> None:
        """Forget a query; its alerts stay."""


class SubscriptionStore(Protocol):
    """Subscriptions of alerts; secrets are stored encrypted."""

    def add(self, subscription: AlertSubscription, by: str) -> AlertSubscription:
        """Store a new subscription."""

    def get(self, subscription_id: str) -> AlertSubscription:
        """The subscription."""

    def page(self, after: str, limit: int) -> Sequence[AlertSubscription]:
        """Up to `limit`, with ids after `after`."""

    def replace(self, subscription: AlertSubscription, by: str) -> AlertSubscription:
        """Store a changed subscription."""

    def remove(self, subscription_id: str, by: str) -> None:
        """Forget it, and what was still to be delivered to it."""


class SilenceStore(Protocol):
    """Silences."""

    def add(self, silence: Silence, by: str) -> Silence:
        """Store a new silence."""

    def get(self, silence_id: str) -> Silence:
        """The silence."""

    def page(self, after: str, limit: int) -> Sequence[Silence]:
        """Up to `limit`, with ids after `after`."""

    def remove(self, silence_id: str, by: str) -> None:
        """End a silence at once."""


class AlertStore(Protocol):
    """Alerts and their events."""

    def get(self, alert_id: str) -> StoredAlert:
        """The alert."""

    def page(self, wanted: AlertFilter, before: int, limit: int) -> Sequence[StoredAlert]:
        """Up to `limit` alerts that opened before the opening sequence `before`, newest first.

        The cursor of an alert is `opening(alert_id)`; 0 begins with the newest.
        """

    def opening(self, alert_id: str) -> int:
        """The sequence of the event that opened the alert."""

    def history(self, alert_id: str) -> Sequence[AlertEvent]:
        """Every state of the alert, in order."""

    def acknowledge(self, alert_id: str, by: str) -> StoredAlert:
        """Note that somebody has seen to it; the first one stays noted."""

    def give_feedback(self, alert_id: str, feedback: Feedback) -> StoredAlert:
        """Note what somebody thought of it, in place of earlier feedback."""

    def events_after(self, sequence: int, limit: int) -> Sequence[AlertEvent]:
        """Up to `limit` events with higher sequences, in order."""

    def sequence_of(self, event_id: str) -> int | None:
        """The sequence of an event `<alert id>.<revision>`; None if there is no such event."""

    def last_sequence(self) -> int:
        """The sequence of the newest event; 0 before the first."""


class BlindStore(Protocol):
    """Blind periods; those of one camera, reason and set of queries that touch are one."""

    def page(
        self, wanted: BlindFilter, after: BlindPlace | None, limit: int
    ) -> Sequence[StoredBlindPeriod]:
        """Up to `limit` periods after a place, None for the first; the last to begin come first."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event that is to be sent to a subscription; times are UTC seconds."""

    delivery_id: int
    subscription_id: str
    url: str
    secret: str
    event_id: str
    body: bytes  # JSON, the same at every attempt
    attempts: int  # made before this one
    first_at: float  # when it became due first
    state: str  # of the alert: opened, updated, closed; "test" for a test message
    seen_until: float  # how far the camera had been seen then: the end of the clip
    start: float  # of the alert
    claim: int = 0  # which claim of the delivery this is: one that ran out settles nothing


class DeliveryQueue(Protocol):
    """Deliveries as rows that workers claim."""

    def claim(self, limit: int, lease_seconds: float) -> Sequence[Delivery]:
        """Up to `limit` due deliveries, the oldest of each subscription, for this worker alone.

        A claim that is not settled within `lease_seconds` is free again: its worker died.
        """

    def sent(self, delivery: Delivery) -> None:
        """It was accepted."""

    def retry(self, delivery: Delivery, at: float, why: str) -> None:
        """It failed; try again at `at`. Later events of the subscription wait for it."""

    def give_up(self, delivery: Delivery, why: str) -> None:
        """It failed for good."""

    def disable(self, subscription_id: str, why: str) -> None:
        """Send nothing any more to the subscription, and give up what waits."""

    def test(self, subscription_id: str) -> Delivery:
        """A test message for the subscription, claimed already; sent once, never retried."""
