"""Commits of one reader: what it publishes and how far it has read, in one Kafka transaction."""

import logging
import math
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

    def __init__(self, options: KafkaOptions, transactional_id: str, topic: str) -> None:
        self._options = options
        self._id = transactional_id
        self._topic = topic
        self._closed = threading.Event()
        self._producer: Producer | None = None

    def open(self) -> Producer:
        """A producer whose id is its own; waits while no broker answers.

        Raises:
            BusClosedError, BusAccessError
        """
        while self._producer is None:
            if self._closed.is_set():
                raise BusClosedError("The subscription is closed.")
            producer = None
            try:
                producer = Producer(self._options, self._id)
                producer.take_over()
                self._producer = producer
            except BusUnreachableError as error:
                _log.warning("%s", error, about=self._id)
                self._closed.wait(PAUSE_SECONDS)
            finally:
                if producer is not None and self._producer is None:
                    producer.retire()
        return self._producer

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
            send = partial(producer.send_transaction, messages, self._topic, positions, membership)
            try:
                self._watched(send, self._options.transaction_timeout_seconds)
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

    def close(self) -> None:
        """Ends whoever waits; what is open is aborted by whoever takes the id over."""
        self._closed.set()
        self._discard()

    def _end(self, producer: Producer) -> None:
        try:
            self._watched(producer.end_transaction, self._options.transaction_timeout_seconds)
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

    def _watched(self, call: Callable[[], Result], patience: float = math.inf) -> Result:
        """The result of a call that may wait without end, in a thread that is left behind then.

        kafka-python waits for a broker for ever, and loses a transaction's request where one goes
        at the wrong moment. A transaction of more than `patience`, its timeout, the broker aborts
        anyway.

        Raises:
            BusClosedError: the subscription was closed meanwhile.
            BusUnreachableError: it took longer than `patience` seconds.
        """
        outcome: Future[Result] = Future()

        def run() -> None:
            try:
                outcome.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                outcome.set_exception(error)

        threading.Thread(target=run, name=f"kafka-commit-{self._topic}", daemon=True).start()
        deadline = time.monotonic() + patience
        while not wait([outcome], PAUSE_SECONDS).done:
            if self._closed.is_set():
                raise BusClosedError("The subscription was closed during a commit.")
            if time.monotonic() > deadline:
                raise BusUnreachableError(
                    f"Kafka took more than {patience:g} s for a commit of '{self._topic}'."
                )
        return outcome.result()

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.retire()
