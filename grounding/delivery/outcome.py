"""What came of sending one event once, and how it is counted."""

from dataclasses import dataclass
from typing import Literal

from grounding.metrics import ALERT_LATENCY, ALERT_ONSET, DELIVERY_ATTEMPTS
from grounding.stores import Delivery

# retry: another time it may go; gone: the receiver wants no more; failed: it can never be sent
Result = Literal["accepted", "retry", "gone", "failed"]

CHANNEL = "webhook"


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """One attempt; `why` is a sentence without secrets, "" when it was accepted."""

    result: Result
    status: int | None = None  # of the HTTP answer; None: there was none
    why: str = ""
    retry_after_seconds: float | None = None  # what the receiver asked for
    seconds: float = 0.0  # that the attempt took

    @property
    def accepted(self) -> bool:
        """Whether the receiver took it."""
        return self.result == "accepted"


def count_attempt(delivery: Delivery, outcome: DeliveryOutcome, now: float) -> None:
    """Count the attempt, and how late an alert's first word came if it was taken."""
    DELIVERY_ATTEMPTS.labels(CHANNEL, outcome.result).inc()
    if outcome.accepted and delivery.state == "opened":
        ALERT_LATENCY.labels(CHANNEL).observe(now - delivery.seen_until)
        ALERT_ONSET.labels(CHANNEL).observe(now - delivery.start)
