"""The bus within one process: bounded logs under one lock.

A record is kept until every reader has committed it, so a reader that leaves without committing
loses nothing; what readers have polled but not committed counts as lying on the topic.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from streamer.bus import (
    PARTITIONS,
    TOPICS,
    Message,
    Partitions,
    Rebalance,
    Subscription,
    Topic,
    WhenFull,
    partition_of,
)
from streamer.errors import BusClosedError, BusError, BusFullError, UnknownTopicError
from streamer.memory_subscription import MemorySubscription
from streamer.memory_topic import MemoryTopic


class MemoryBus:
    """Topics in memory; passes the contract suite of every bus."""

    def __init__(
        self,
        topics: Iterable[Topic] = TOPICS,
        partitions: int = PARTITIONS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.changed = threading.Condition()  # the one lock; notified on every change
        self._topics = {topic.name: MemoryTopic(topic, partitions) for topic in topics}
        self._partitions = partitions
        self._clock = clock
        self._closed = False

    @property
    def partitions(self) -> int:
        """How many partitions each topic has."""
        return self._partitions

    def publish(
        self, message: Message, when_full: WhenFull = "block", timeout: float | None = None
    ) -> int:
        """See `Bus.publish`."""
        with self.changed:
            topic = self._writable(message.topic)
            dropped = 0
            if when_full == "block":
                self._wait_for_room([message], timeout)
            if when_full == "drop_oldest" or not topic.is_waited_for:
                dropped = topic.drop_for(self._partition_of(message), message.key)
            self._append(message)
            return dropped

    def publish_all(self, messages: Sequence[Message]) -> None:
        """See `Bus.publish_all`."""
        for message in messages:
            self.publish(message)

    def lags(self) -> Mapping[str, int]:
        """See `Bus.lags`."""
        with self.changed:
            return {name: topic.lag for name, topic in self._topics.items() if topic.is_shared}

    def subscribe(
        self,
        topic: str,
        group: str | None = None,
        rebalance: Rebalance | None = None,
        partitions: Partitions | None = None,
    ) -> Subscription:
        """See `Bus.subscribe`."""
        with self.changed:
            self.check_open()
            subscription = MemorySubscription(
                self, self._topic(topic), group, rebalance or Rebalance(), partitions
            )
            self.changed.notify_all()
            return subscription

    def finish(self, topic: str) -> None:
        """See `Bus.finish`."""
        with self.changed:
            self._topic(topic).finished = True
            self.changed.notify_all()

    def close(self) -> None:
        """See `Bus.close`."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    def append_all(self, messages: list[Message]) -> None:
        """Appends all once all have room; the caller holds the lock."""
        for message in messages:
            self._writable(message.topic)
        self._wait_for_room(messages, None)
        for message in messages:
            topic = self._writable(message.topic)
            if not topic.is_waited_for:
                topic.drop_for(self._partition_of(message), message.key)
            self._append(message)

    def check_open(self) -> None:
        """Raises BusClosedError once the bus is closed."""
        if self._closed:
            raise BusClosedError("The bus is closed.")

    def _append(self, message: Message) -> None:
        partition = self._partition_of(message)
        self._topics[message.topic].append(partition, message, self._clock())
        self.changed.notify_all()

    def _wait_for_room(self, messages: list[Message], timeout: float | None) -> None:
        counts = Counter((message.topic, message.key) for message in messages)

        def is_ready() -> bool:
            return self._closed or all(
                self._topics[topic].has_room(partition_of(key, self._partitions), key, count)
                for (topic, key), count in counts.items()
            )

        if not self.changed.wait_for(is_ready, timeout):
            raise BusFullError(
                f"No room on {', '.join(sorted({topic for topic, _ in counts}))} "
                f"after {timeout:g} s: its readers are slower than its writers."
            )
        self.check_open()

    def _partition_of(self, message: Message) -> int:
        return partition_of(message.key, self._partitions)

    def _topic(self, name: str) -> MemoryTopic:
        if name not in self._topics:
            raise UnknownTopicError(
                f"There is no topic '{name}'; there are {', '.join(sorted(self._topics))}."
            )
        return self._topics[name]

    def _writable(self, name: str) -> MemoryTopic:
        self.check_open()
        topic = self._topic(name)
        if topic.finished:
            raise BusError(f"Topic '{name}' was finished: nothing can be published to it any more.")
        return topic
