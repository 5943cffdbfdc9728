"""The delivery of alerts: claims what is due, sends it, and notes what came of it."""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

from grounding.delivery.crew import Crew
from grounding.delivery.lanes import Lanes
from grounding.delivery.options import DeliveryOptions
from grounding.delivery.outcome import CHANNEL, DeliveryOutcome, count_attempt
from grounding.delivery.retry_plan import is_over, next_attempt_at
from grounding.metrics import DELIVERIES_GIVEN_UP, DELIVERY_STORE_FAULTS
from grounding.stores import Delivery, DeliveryQueue
from streamer.errors import EntityNotFoundError
from streamer.limited_log import LimitedLog

FAULT_SECONDS = 1.0  # between two tries of a store that cannot

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """What sends a delivery once, without raising for what a receiver does."""

    def send(self, delivery: Delivery) -> DeliveryOutcome:
        """What came of it."""


class DeliveryWorker:
    """Several senders at the same queue.

    `wait` blocks until something may be due, or for so many seconds. `store_faults` are the
    errors of a queue that cannot read or write now (a full disk): it is asked again.
    """

    name = "delivery"

    def __init__(
        self,
        queue: DeliveryQueue,
        sender: Sender,
        wait: Callable[[float], object],
        options: DeliveryOptions,
        *,
        store_faults: tuple[type[Exception], ...] = (OSError,),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._wait = wait
        self._options = options
        self._store_faults = store_faults
        self._clock = clock
        self._lanes = Lanes(options)
        self._chance = random.Random()  # noqa: S311 - jitter, no secret depends on it
        self._log = LimitedLog(_log)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; what is being sent then has `drain_seconds` to end.

        What takes longer is left to its thread, and claimed anew by the next process.
        """
        crew = Crew(stop)
        for number in range(self._options.workers):
            crew.start(f"delivery-{number}", self._work)
        stop.wait()
        crew.wait(self._options.drain_seconds)

    def _work(self, stop: threading.Event) -> None:
        while not stop.is_set():
            delivery = self._lanes.next() or self._claim(stop)
            if delivery is not None:
                try:
                    self._deliver(delivery, stop)
                finally:
                    self._lanes.leave(delivery)

    def _claim(self, stop: threading.Event) -> Delivery | None:
        claimed_at = time.monotonic()
        try:
            claimed = self._queue.claim(1, self._options.lease_seconds)
        except self._store_faults as error:
            self._count_fault(error)
            stop.wait(FAULT_SECONDS)
            return None
        if not claimed:
            self._wait(self._options.poll_seconds)
            return None
        return claimed[0] if self._lanes.enter(claimed[0], claimed_at) else None

    def _deliver(self, delivery: Delivery, stop: threading.Event) -> None:
        streak = self._lanes.streak(delivery.subscription_id)
        if is_over(streak, delivery.first_at, self._clock(), self._options):
            # It grew too old behind others that failed: one attempt each would never catch up
            self._give_up(
                delivery, "expired", "Its subscriber has not answered for too long.", stop
            )
            return
        outcome = self._sender.send(delivery)
        count_attempt(delivery, outcome, self._clock())
        match outcome.result:
            case "accepted":
                self._lanes.forget_failures(delivery.subscription_id)
                self._note(lambda: self._queue.sent(delivery), stop)
            case "gone":
                self._disable(delivery, outcome.why, stop)
            case "failed":
                self._give_up(delivery, "failed", outcome.why, stop)
            case "retry":
                self._put_off(delivery, outcome, stop)

    def _put_off(self, delivery: Delivery, outcome: DeliveryOutcome, stop: threading.Event) -> None:
        failures = self._lanes.note_failure(delivery)
        at = next_attempt_at(
            failures,
            self._clock(),
            outcome.retry_after_seconds,
            self._chance.random(),
            self._options,
        )
        if is_over(failures, delivery.first_at, at, self._options):
            self._give_up(delivery, "expired", outcome.why, stop)
            return
        self._log.warning("An alert was not told to %s: %s", delivery.subscription_id, outcome.why)
        self._note(lambda: self._queue.retry(delivery, at, outcome.why), stop)

    def _give_up(self, delivery: Delivery, reason: str, why: str, stop: threading.Event) -> None:
        DELIVERIES_GIVEN_UP.labels(CHANNEL, reason).inc()
        self._log.warning(
            "%s is not told to %s any more: %s", delivery.event_id, delivery.subscription_id, why
        )
        self._note(lambda: self._queue.give_up(delivery, why), stop)

    def _disable(self, delivery: Delivery, why: str, stop: threading.Event) -> None:
        self._lanes.forget_failures(delivery.subscription_id)
        DELIVERIES_GIVEN_UP.labels(CHANNEL, "gone").inc()
        self._log.warning("The subscription %s is disabled: %s", delivery.subscription_id, why)
        self._note(lambda: self._queue.disable(delivery.subscription_id, why), stop)

    def _note(self, note: Callable[[], None], stop: threading.Event) -> None:
        """Write what came of an attempt, however long it takes: unwritten, it would be repeated."""
        while True:
            try:
                note()
            except EntityNotFoundError:  # the subscription was removed meanwhile
                return
            except self._store_faults as error:
                self._count_fault(error)
                if stop.wait(FAULT_SECONDS):
                    return
            else:
                return

    def _count_fault(self, error: Exception) -> None:
        DELIVERY_STORE_FAULTS.inc()
        self._log.error("Deliveries wait for the store: %s", error)
