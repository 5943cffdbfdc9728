"""Commits of one reader: what it publishes and how far it has read, in one Kafka transaction."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from streamer.bus import Message, Position
from streamer.errors import (
    BusAccessError,
    BusClosedError,
    BusError,
    BusUnreachableError,
    CommitLostError,
)
from streamer.kafka_client import Producer
from streamer.kafka_options import KafkaOptions
from streamer.limited_log import LimitedLog

ATTEMPTS = 5  # of a commit while the group changes
PAUSE_SECONDS = 0.2

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
        """Stores all or nothing; `member` gives the membership, or raises CommitLostError.

        kafka-python waits for a broker without end: it does so in a thread that `close` leaves
        behind.
        """
        outcome: list[BaseException | None] = []
        done = threading.Event()

        def run() -> None:
            try:
                self._commit(messages, positions, member)
                outcome.append(None)
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                outcome.append(error)
            done.set()

        thread = threading.Thread(target=run, name=f"kafka-commit-{self._topic}", daemon=True)
        thread.start()
        while not done.wait(PAUSE_SECONDS):
            if self._closed.is_set():
                raise BusClosedError("The subscription was closed during a commit.")
        if outcome[0] is not None:
            raise outcome[0]

    def close(self) -> None:
        """Ends whoever waits; what is open is aborted by whoever takes the id over."""
        self._closed.set()
        self._discard()

    def _commit(
        self, messages: list[Message], positions: Mapping[int, Position], member: Callable[[], Any]
    ) -> None:
        attempt = 0
        while True:
            producer = self.open()
            membership = member()
            try:
                producer.send_transaction(messages, self._topic, positions, membership)
            except BusError as error:
                self._discard()
                attempt += not isinstance(error, BusUnreachableError)
                if attempt == ATTEMPTS or isinstance(error, BusAccessError):
                    raise
                _log.warning("A commit is tried again: %s", error, about=self._id)
                self._closed.wait(PAUSE_SECONDS)
            else:
                break
        self._end(producer)

    def _end(self, producer: Producer) -> None:
        try:
            producer.end_transaction()
        except BusError as error:
            self._discard()
            self.open()  # which ends it one way or the other, before anybody asks what is stored
            raise CommitLostError(
                f"A commit of '{self._topic}' may not have been stored: begin anew from what "
                f"was. {error}"
            ) from error

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.retire()
