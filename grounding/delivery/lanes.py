"""Which claimed delivery a free sender takes: those that fail leave room for those that do not."""

import threading
import time
from collections import deque
from collections.abc import Callable

from grounding.delivery.options import DeliveryOptions
from grounding.stores import Delivery


class Lanes:
    """Half of the senders, at most, are busy with subscribers that failed lately.

    A delivery beyond that waits here under its claim. It is dropped before the claim ends, and
    then claimed anew: nothing is lost, and nobody else sends it meanwhile.
    """

    def __init__(
        self, options: DeliveryOptions, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._room = max(options.workers // 2, 1)
        # What begins later could still be running when the claim ends
        self._patience = max(options.lease_seconds - 2 * options.total_timeout_seconds, 0.0)
        self._monotonic = monotonic
        self._failures: dict[str, int] = {}  # in a row, by subscription
        self._slow: set[int] = set()  # delivery ids being sent to subscribers that failed lately
        self._waiting: deque[tuple[float, Delivery]] = deque()
        self._lock = threading.Lock()

    def streak(self, subscription_id: str) -> int:
        """How many attempts in a row failed, as far as this process saw."""
        with self._lock:
            return self._failures.get(subscription_id, 0)

    def enter(self, delivery: Delivery, claimed_at: float) -> bool:
        """Whether it is to be sent now; if not, it waits for `next`.

        `claimed_at` is a time of the monotonic clock before it was claimed.
        """
        with self._lock:
            if not (delivery.attempts or delivery.subscription_id in self._failures):
                return True
            if len(self._slow) < self._room:
                self._slow.add(delivery.delivery_id)
                return True
            self._waiting.append((claimed_at + self._patience, delivery))
            return False

    def next(self) -> Delivery | None:
        """A delivery that waited and has room now."""
        with self._lock:
            now = self._monotonic()
            while self._waiting and self._waiting[0][0] < now:
                self._waiting.popleft()
            if not self._waiting or len(self._slow) >= self._room:
                return None
            _, delivery = self._waiting.popleft()
            self._slow.add(delivery.delivery_id)
            return delivery

    def note_failure(self, delivery: Delivery) -> int:
        """One more attempt failed; returns how many in a row that makes."""
        with self._lock:
            known = self._failures.get(delivery.subscription_id, 0)
            failures = max(known, delivery.attempts) + 1
            self._failures[delivery.subscription_id] = failures
            return failures

    def forget_failures(self, subscription_id: str) -> None:
        """It works again, or is no more."""
        with self._lock:
            self._failures.pop(subscription_id, None)

    def leave(self, delivery: Delivery) -> None:
        """It was sent or failed: its sender is free."""
        with self._lock:
            self._slow.discard(delivery.delivery_id)
