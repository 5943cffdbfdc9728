"""Messages on their way to Kafka, as kafka-python sends them."""

import threading
from collections.abc import Callable, Mapping
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
        with translated(options, "take messages"):
            self._foreign = made(KafkaProducer, producer_settings(options, transactional_id))

    def send(self, message: Message, done: Done | None = None) -> None:
        """Sends a message in the background; `done` is told once, from any thread."""
        doing = f"store a message on '{message.topic}'"
        with translated(self._options, doing):
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
        threading.Thread(target=self._close, name="kafka-retire", daemon=True).start()

    def _close(self) -> None:
        while True:
            try:
                self._foreign.close(timeout=5)
            except foreign.KafkaTimeoutError:
                continue
            return
