"""Messages on their way to Kafka, as kafka-python sends them."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from streamer.bus import Message, Position, partition_of
from streamer.errors import BusError
from streamer.kafka_client import (
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
    foreign,
    made,
    ours,
    translated,
)
from streamer.kafka_options import KafkaOptions
from streamer.kafka_settings import producer_settings

Done = Callable[[BusError | None], None]


class Producer:
    """Sends messages, alone or in transactions; of no more use after most errors."""

    def __init__(self, options: KafkaOptions, transactional_id: str | None = None) -> None:
        self._options = options
        self._state = threading.Condition()  # over the following
        self._retired = False
        self._sending = 0  # calls of `send` that have not returned
        with translated(options, "take messages"):
            self._foreign = made(KafkaProducer, producer_settings(options, transactional_id))

    @property
    def has_failed(self) -> bool:
        """Whether nothing will be sent by it any more."""
        return bool(self._foreign._transaction_manager.has_fatal_error())

    def send(self, message: Message, done: Done | None = None) -> None:
        """Sends a message in the background; `done` is told once, from any thread.

        Raises BusError, and never tells `done`, where it was retired or takes no such message.
        """
        doing = f"store a message on '{message.topic}'"
        with self._in_use(), translated(self._options, doing):
            sent = self._foreign.send(
                self._options.topic_prefix + message.topic,
                value=message.value,
                key=message.key.encode(),
                headers=list(message.headers),
                partition=partition_of(message.key, self._options.partitions),
            )
        if done is not None:
            sent.add_callback(lambda _: done(None))
            sent.add_errback(lambda error: done(ours(error, self._options, doing)))

    def take_over(self) -> None:
        """Ends what an earlier process left open under this id; waits 10 s for it at most."""
        with translated(self._options, "begin transactions"):
            self._foreign.init_transactions()

    def send_transaction(
        self, messages: list[Message], topic: str, positions: Mapping[int, Position], member: Any
    ) -> None:
        """Everything of a transaction but its end; waits while no broker answers.

        Positions are stored only while `member`, from `Consumer.membership`, is one of its group.
        """
        name = self._options.topic_prefix + topic
        offsets = {
            TopicPartition(name, partition): OffsetAndMetadata(position.offset, position.note, -1)
            for partition, position in positions.items()
        }
        with translated(self._options, "commit a transaction"):
            self._foreign.begin_transaction()
            for message in messages:
                self.send(message)
            if offsets:
                self._foreign.send_offsets_to_transaction(offsets, member)

    def end_transaction(self) -> None:
        """Commits it; after an error nobody knows whether it was."""
        with translated(self._options, "commit a transaction"):
            self._foreign.commit_transaction()

    def retire(self) -> None:
        """Closes it in the background: kafka-python cannot be closed while a broker is awaited."""
        with self._state:
            self._retired = True
        threading.Thread(target=self._close, name="kafka-retire", daemon=True).start()

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        """What kafka-python is given while it closes, it neither sends nor gives back."""
        with self._state:
            if self._retired:
                raise BusError("A producer for Kafka was retired before a message was sent.")
            self._sending += 1
        try:
            yield
        finally:
            with self._state:
                self._sending -= 1
                self._state.notify_all()

    def _close(self) -> None:
        with self._state:
            self._state.wait_for(lambda: not self._sending)
        while True:
            try:
                self._foreign.close(timeout=5)
            except foreign.KafkaTimeoutError:
                continue
            return
