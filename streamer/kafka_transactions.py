"""Commits of one reader: what it publishes and how far it has read, in one Kafka transaction."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, TypeVar

from streamer.bus import Message, Position
from streamer.errors import (
    BusAccessError,
    BusClosedError,
    BusError,
    BusUnreachableError,
    CommitLostError,
)
from streamer.kafka_options import KafkaOptions
from streamer.kafka_patience import Patience
from streamer.kafka_producer import Producer
from streamer.limited_log import LimitedLog

ATTEMPTS = 5  # of a commit while the group changes
PAUSE_SECONDS = 0.2

Result = TypeVar("Result")

_log = LimitedLog(logging.getLogger(__name__), 10)


class Transactions:
    """Transactions under one id, one at a time; whoever takes the id over ends those left open.

    A producer that failed once is thrown away: kafka-python's keeps positions of a transaction
    that it aborted, and would store them with the next.
    """

    def __init__(
        self, options: KafkaOptions, transactional_id: str, topic: str, patience: Patience
    ) -> None:
        """`patience` is that of the id: a reader that begins anew goes on with it."""
        self._options = options
        self._id = transactional_id
        self._topic = topic
        self._patience = patience
        self._closed = threading.Event()
        self._opening = threading.Lock()
        self._lock = threading.Lock()  # over the producer, and whether there may be one
        self._producer: Producer | None = None

    def open(self) -> Producer:
        """A producer whose id is its own; waits while no broker answers.

        Raises:
            BusClosedError, BusAccessError
        """
        with self._opening:
            while True:
                with self._lock:
                    self._check_open()
                    if self._producer is not None:
                        return self._producer
                try:
                    return self._made()
                except BusUnreachableError as error:
                    _log.warning("%s", error, about=self._id)
                    self._closed.wait(PAUSE_SECONDS)

    def _made(self) -> Producer:
        producer = Producer(self._options, self._id)
        try:
            producer.take_over()
            with self._lock:
                self._check_open()  # nobody would retire it any more
                self._producer = producer
        except BaseException:
            producer.retire()
            raise
        return producer

    def commit(
        self,
        messages: list[Message],
        positions: Mapping[int, Position],
        member: Callable[[], Any],
    ) -> None:
        """Stores all or nothing; `member` gives the membership, or raises CommitLostError."""
        attempt = 0
        while True:
            producer, membership = self._opened(), member()
            began = time.monotonic()
            send = partial(producer.send_transaction, messages, self._topic, positions, membership)
            try:
                self._watched(send, self._patience)
            except BusError as error:
                self._discard()
                if isinstance(error, BusClosedError):
                    raise
                attempt += not isinstance(error, BusUnreachableError)
                if attempt == ATTEMPTS or isinstance(error, BusAccessError):
                    raise
                _log.warning("A commit is tried again: %s", error, about=self._id)
                self._closed.wait(PAUSE_SECONDS)
            else:
                break
        self._end(producer)
        self._patience.kept(time.monotonic() - began)

    def close(self) -> None:
        """Ends whoever waits; what is open is aborted by whoever takes the id over."""
        with self._lock:
            self._closed.set()
        self._discard()

    def _end(self, producer: Producer) -> None:
        try:
            self._watched(producer.end_transaction, self._patience)
        except BusClosedError:
            raise
        except BusError as error:
            self._discard()
            # Which ends it one way or the other, before anybody asks what is stored
            self._opened()
            raise CommitLostError(
                f"A commit of '{self._topic}' may not have been stored: begin anew from what "
                f"was. {error}"
            ) from error

    def _opened(self) -> Producer:
        return self._producer or self._watched(self.open)

    def _watched(self, call: Callable[[], Result], patience: Patience | None = None) -> Result:
        """The result of a call that may wait without end, in a thread that is left behind then.

        kafka-python waits for a broker for ever. And it loses a transaction's request whose
        coordinator it cannot connect to (3.0.12, `Sender._maybe_send_pending_request`: where
        `await_ready` raises, the request is neither sent nor queued again), as when that broker
        has just died: whoever waits for its answer then waits in vain.

        Raises:
            BusClosedError: the subscription was closed meanwhile.
            BusUnreachableError: it took longer than the patience.
        """
        outcome: Future[Result] = Future()

        def run() -> None:
            try:
                outcome.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                outcome.set_exception(error)

        threading.Thread(target=run, name=f"kafka-commit-{self._topic}", daemon=True).start()
        began = time.monotonic()
        while not wait([outcome], PAUSE_SECONDS).done:
            if self._closed.is_set():
                raise BusClosedError("The subscription was closed during a commit.")
            if patience is not None and time.monotonic() - began > patience.seconds:
                seconds = patience.seconds
                patience.missed()
                raise BusUnreachableError(
                    f"Kafka took more than {seconds:g} s for a commit of '{self._topic}'."
                )
        return outcome.result()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise BusClosedError("The subscription is closed.")

    def _discard(self) -> None:
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.retire()
