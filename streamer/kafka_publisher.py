"""Messages on their way to Kafka outside transactions: waited for, or queued and let go."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from streamer.bus import Message
from streamer.errors import (
    BusAccessError,
    BusClosedError,
    BusError,
    BusFullError,
    BusRefusedError,
    BusUnreachableError,
)
from streamer.kafka_options import KafkaOptions
from streamer.kafka_producer import Producer
from streamer.kafka_queue import KeyQueue
from streamer.kafka_round import Round, Sending, to_send_again
from streamer.limited_log import LimitedLog
from streamer.metrics import MESSAGES_LOST

ATTEMPTS = 3  # of a message after which producers fail: the fault may be another message's
MOST_UNDERWAY = 16  # of queued messages; these cannot make room for newer ones any more
GRACE_SECONDS = 3.0  # for what is queued, at the end
PAUSE_SECONDS = 0.2

_log = LimitedLog(logging.getLogger(__name__), 10)


class Publisher:
    """One idempotent producer for all threads of the process, renewed when it fails.

    The messages of a call go in rounds, each by one producer. What failed goes again with the
    next round, once all of the last is through: so the messages of a key stay in order.
    """

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._changed = threading.Condition()
        self._closed = False
        self._producer: Producer | None = None
        self._making = threading.Lock()
        self._queue = KeyQueue()
        self._underway: list[Sending] = []  # queued messages being sent, and not given up
        self._thread: threading.Thread | None = None

    def deliver(self, messages: Sequence[Message], timeout: float | None = None) -> None:
        """Returns once the broker has all, in order; waits while there is no broker.

        Raises:
            BusFullError: not all were stored in time; they may be, later.
            BusClosedError, BusAccessError
            BusRefusedError: the broker does not take a message; those after it may be stored.
            BusError: a message was tried in vain too often.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        sendings = [Sending(message) for message in messages]
        while sendings:
            tried = Round(self.connect(), sendings, self._changed)
            tried.begin()
            self._wait_for(tried, deadline)
            for sending in self._given_up(tried):
                assert sending.error is not None
                raise sending.error
            sendings = to_send_again(sendings)
            if sendings and deadline is not None and time.monotonic() > deadline:
                raise _late(sendings)

    def offer(self, message: Message, capacity: int) -> int:
        """Queues a message and returns; how many older ones of its key were dropped for it."""
        with self._changed:
            self._check_open()
            dropped = self._queue.push(message, capacity)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="kafka-publisher", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
            return dropped

    def is_idle(self, topic: str) -> bool:
        """Whether nothing of a topic is queued or underway."""
        with self._changed:
            underway = any(sending.message.topic == topic for sending in self._underway)
            return not (underway or self._queue.holds(topic))

    def close(self) -> None:
        """Waits a little for what is queued, then ends everyone who waits."""
        with self._changed:
            if not self._closed and self._thread is not None:
                self._changed.wait_for(self._is_empty, GRACE_SECONDS)
            left = [*self._queue.drain(), *(s.message for s in self._underway if not s.is_stored)]
            self._closed, self._underway = True, []
            self._changed.notify_all()
            producer, self._producer = self._producer, None
        if left:
            _count_lost(left)
            _log.error("The end came before %d queued messages were on Kafka.", len(left))
        if producer is not None:
            producer.retire()

    def connect(self) -> Producer:
        """The producer; waits while no broker answers.

        Raises:
            BusClosedError, BusAccessError
        """
        while True:
            with self._making:
                with self._changed:
                    self._check_open()
                    if self._producer is not None:
                        return self._producer
                try:
                    producer = Producer(self._options)
                except BusUnreachableError as error:
                    _log.warning("%s", error)
                else:
                    with self._changed:
                        if not self._closed:
                            self._producer = producer
                            return producer
                    producer.retire()
            time.sleep(PAUSE_SECONDS)

    def _wait_for(self, tried: Round, deadline: float | None) -> None:
        seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or tried.is_settled, seconds):
                raise _late(tried.sendings)
            if not tried.is_settled:
                raise BusClosedError("The bus was closed before the message was on Kafka.")

    def _given_up(self, tried: Round) -> list[Sending]:
        """Messages not to be tried again; the rest may be, by a new producer where it has to be."""
        given_up, is_broken = [], tried.producer.has_failed
        with self._changed:
            is_current = self._producer is tried.producer  # else another round's fault ended it
        for sending in tried.sendings:
            if sending.error is None or isinstance(sending.error, BusUnreachableError):
                continue
            if isinstance(sending.error, BusRefusedError | BusAccessError):
                given_up.append(sending)  # which may do the producer no harm
                continue
            is_broken = True
            sending.attempts += is_current
            if sending.attempts >= ATTEMPTS:
                given_up.append(sending)
        if is_broken:
            self._renew(tried.producer)
        elif not all(sending.is_stored for sending in tried.sendings):
            time.sleep(PAUSE_SECONDS)
        return given_up

    def _renew(self, broken: Producer) -> None:
        with self._changed:
            if self._producer is not broken:
                return
            self._producer = None
        broken.retire()

    def _run(self) -> None:
        try:
            while self._take():
                while self._underway:
                    self._try_underway()
        except BusClosedError:
            pass  # `close` has told of what was left

    def _take(self) -> bool:
        """Waits for queued messages, and takes some; False once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._queue))
            if self._closed:
                return False
            while len(self._underway) < MOST_UNDERWAY and (message := self._queue.pop()):
                self._underway.append(Sending(message))
            return True

    def _try_underway(self) -> None:
        sendings = self._underway
        try:
            tried = Round(self.connect(), sendings, self._changed)
        except BusClosedError:
            raise
        except BusError as error:
            for sending in sendings:
                sending.error = error
            given_up = sendings
        else:
            tried.begin()
            self._wait_for(tried, None)
            given_up = self._given_up(tried)
        with self._changed:
            self._check_open()
            self._underway = to_send_again([s for s in sendings if s not in given_up])
            self._changed.notify_all()
        _count_lost(sending.message for sending in given_up)
        for sending in given_up:
            _log.error("A message for %s is lost: %s", sending.message.topic, sending.error)

    def _is_empty(self) -> bool:
        return not len(self._queue) and not self._underway

    def _check_open(self) -> None:
        if self._closed:
            raise BusClosedError("The bus is closed.")


def _late(sendings: Iterable[Sending]) -> BusFullError:
    names = ", ".join(sorted({sending.message.topic for sending in sendings}))
    return BusFullError(f"Kafka did not take a message for {names} in time.")


def _count_lost(messages: Iterable[Message]) -> None:
    for topic, count in Counter(message.topic for message in messages).items():
        MESSAGES_LOST.labels(topic).inc(count)
