"""Messages on their way to Kafka outside transactions: waited for, or queued and let go."""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from streamer.bus import Message
from streamer.errors import (
    BusAccessError,
    BusClosedError,
    BusError,
    BusFullError,
    BusUnreachableError,
)
from streamer.kafka_options import KafkaOptions
from streamer.kafka_producer import Producer
from streamer.kafka_queue import KeyQueue
from streamer.limited_log import LimitedLog

ATTEMPTS = 3  # of a message that the broker refuses: the fault may be another message's
MOST_UNDERWAY = 16  # of queued messages; these cannot make room for newer ones any more
GRACE_SECONDS = 3.0  # for what is queued, at the end
PAUSE_SECONDS = 0.2

_log = LimitedLog(logging.getLogger(__name__), 10)


@dataclass(slots=True)
class _Sending:
    """One message on its way, and how it went."""

    message: Message
    attempts: int = 0
    error: BusError | None = None
    producer: Producer | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Left:
    """How many of a call's messages are still on their way."""

    count: int


class Publisher:
    """One idempotent producer for all threads of the process, renewed when it fails."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._changed = threading.Condition()
        self._closed = False
        self._producer: Producer | None = None
        self._making = threading.Lock()
        self._queue = KeyQueue()
        self._again: deque[_Sending] = deque()
        self._underway: Counter[str] = Counter()  # queued messages being sent, by topic
        self._thread: threading.Thread | None = None

    def deliver(self, messages: Sequence[Message], timeout: float | None = None) -> None:
        """Returns once the broker has all, in order; waits while there is no broker.

        Raises:
            BusFullError: not all were stored in time; they may be, later.
            BusClosedError, BusAccessError
            BusError: the broker refuses a message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        sendings = [_Sending(message) for message in messages]
        while sendings:
            left = _Left(len(sendings))
            for sending in sendings:
                self._send(sending, partial(self._count_down, left))
            self._wait_for(left, sendings, deadline)
            sendings = [sending for sending in sendings if sending.error is not None]
            for sending in sendings:
                self._check_again(sending)

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
            again = any(sending.message.topic == topic for sending in self._again)
            return not (again or self._queue.holds(topic) or self._underway[topic])

    def close(self) -> None:
        """Waits a little for what is queued, then ends everyone who waits."""
        with self._changed:
            if not self._closed and self._thread is not None:
                self._changed.wait_for(self._is_empty, GRACE_SECONDS)
            if left := len(self._queue) + len(self._again) + self._underway.total():
                _log.error("The end came before %d queued messages were on Kafka.", left)
            self._closed = True
            self._changed.notify_all()
            producer, self._producer = self._producer, None
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

    def _send(self, sending: _Sending, note: Callable[[_Sending], None]) -> None:
        producer = self.connect()
        sending.producer, sending.error = producer, None

        def done(error: BusError | None) -> None:
            sending.error = error
            note(sending)

        try:
            producer.send(sending.message, done)
        except BusError as error:
            done(error)

    def _count_down(self, left: "_Left", sending: _Sending) -> None:
        with self._changed:
            left.count -= 1
            if not left.count:
                self._changed.notify_all()

    def _wait_for(
        self, left: "_Left", sendings: Sequence[_Sending], deadline: float | None
    ) -> None:
        seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or not left.count, seconds):
                names = ", ".join(sorted({s.message.topic for s in sendings}))
                raise BusFullError(f"Kafka did not take a message for {names} in time.")
            if left.count:
                raise BusClosedError("The bus was closed before the message was on Kafka.")

    def _check_again(self, sending: _Sending) -> None:
        """Lets the message be sent once more, by a new producer, unless it is hopeless."""
        error = sending.error
        assert error is not None
        if not isinstance(error, BusUnreachableError):
            sending.attempts += 1
            if sending.attempts == ATTEMPTS or isinstance(error, BusAccessError):
                raise error
        self._renew(sending.producer)

    def _renew(self, broken: Producer | None) -> None:
        with self._changed:
            if self._producer is not broken or broken is None:
                return
            self._producer = None
        broken.retire()

    def _run(self) -> None:
        while (sending := self._next()) is not None:
            try:
                self._send(sending, self._note_queued)
            except BusClosedError:
                return
            except BusError as error:
                sending.error = error
                self._note_queued(sending)

    def _next(self) -> _Sending | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._again or self._has_turn())
            if self._closed:
                return None
            sending = self._again.popleft() if self._again else None
            if sending is None:
                message = self._queue.pop()
                assert message is not None
                sending = _Sending(message)
            self._underway[sending.message.topic] += 1
            return sending

    def _has_turn(self) -> bool:
        return bool(len(self._queue)) and self._underway.total() < MOST_UNDERWAY

    def _note_queued(self, sending: _Sending) -> None:
        lost = False
        if sending.error is not None:
            try:
                self._check_again(sending)
            except BusError as error:
                lost = True
                _log.error("A message for %s is lost: %s", sending.message.topic, error)
        with self._changed:
            self._underway[sending.message.topic] -= 1
            if sending.error is not None and not lost:
                self._again.append(sending)
            self._changed.notify_all()

    def _is_empty(self) -> bool:
        return not len(self._queue) and not self._again and not self._underway.total()

    def _check_open(self) -> None:
        if self._closed:
            raise BusClosedError("The bus is closed.")
