"""Two buses that are used as one: some topics in this process, all others on Kafka.

Between the two there is no transaction. A commit publishes first what goes to the other bus, waits
until it lies there, and then stores its positions and what stays at home: a crash in between
repeats the outputs (at least once) and loses none. Readers drop a repeated
(camera, session, index).
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby

from streamer.bus import (
    Bus,
    Message,
    Partitions,
    Position,
    Rebalance,
    Record,
    Subscription,
    WhenFull,
)


class SplitBus:
    """Sends each topic to its home: those named `in_memory` to `memory`, others to `kafka`."""

    def __init__(self, memory: Bus, kafka: Bus, in_memory: Collection[str]) -> None:
        self._memory = memory
        self._kafka = kafka
        self._in_memory = frozenset(in_memory)
        self._lock = threading.Lock()  # over the following
        self._grouped: list[Subscription] = []  # those with a group that are open

    @property
    def settled(self) -> bool:
        """Whether all groups that read here agree on who reads which partitions."""
        with self._lock:
            grouped = list(self._grouped)
        return all(subscription.settled for subscription in grouped)

    @property
    def partitions(self) -> int:
        """See `Bus.partitions`."""
        return self._kafka.partitions

    def publish(
        self, message: Message, when_full: WhenFull = "block", timeout: float | None = None
    ) -> int:
        """See `Bus.publish`."""
        return self._home(message.topic).publish(message, when_full, timeout)

    def publish_all(self, messages: Sequence[Message]) -> None:
        """See `Bus.publish_all`; the order holds across the two."""
        for is_here, run in groupby(messages, lambda message: message.topic in self._in_memory):
            (self._memory if is_here else self._kafka).publish_all(list(run))

    def lags(self) -> Mapping[str, int]:
        """See `Bus.lags`."""
        return {**self._kafka.lags(), **self._memory.lags()}

    def subscribe(
        self,
        topic: str,
        group: str | None = None,
        rebalance: Rebalance | None = None,
        partitions: Partitions | None = None,
    ) -> Subscription:
        """See `Bus.subscribe`."""
        is_here = topic in self._in_memory
        inner = self._home(topic).subscribe(topic, group, rebalance, partitions)
        other = self._kafka if is_here else self._memory
        if group is not None:
            with self._lock:
                self._grouped.append(inner)

        def is_elsewhere(message: Message) -> bool:
            return (message.topic in self._in_memory) != is_here

        return SplitSubscription(inner, other, is_elsewhere, self._forget)

    def finish(self, topic: str) -> None:
        """See `Bus.finish`."""
        self._home(topic).finish(topic)

    def close(self) -> None:
        """See `Bus.close`."""
        try:
            self._memory.close()
        finally:
            self._kafka.close()

    def _forget(self, subscription: Subscription) -> None:
        with self._lock:
            if subscription in self._grouped:
                self._grouped.remove(subscription)

    def _home(self, topic: str) -> Bus:
        return self._memory if topic in self._in_memory else self._kafka


class SplitSubscription:
    """A reader at home on one bus whose commits may have outputs on the other."""

    def __init__(
        self,
        inner: Subscription,
        other: Bus,
        is_elsewhere: Callable[[Message], bool],
        on_close: Callable[[Subscription], None],
    ) -> None:
        self._inner = inner
        self._other = other
        self._is_elsewhere = is_elsewhere
        self._on_close = on_close

    @property
    def assigned(self) -> Partitions:
        """See `Subscription.assigned`."""
        return self._inner.assigned

    @property
    def settled(self) -> bool:
        """See `Subscription.settled`."""
        return self._inner.settled

    @property
    def caught_up(self) -> bool:
        """See `Subscription.caught_up`."""
        return self._inner.caught_up

    @property
    def finished(self) -> bool:
        """See `Subscription.finished`."""
        return self._inner.finished

    def poll(self, timeout: float, max_records: int = 256) -> Sequence[Record]:
        """See `Subscription.poll`."""
        return self._inner.poll(timeout, max_records)

    def commit(
        self,
        outputs: Iterable[Message] = (),
        positions: Mapping[int, Position] | None = None,
    ) -> None:
        """See `Subscription.commit`; outputs on the other bus are there before anything else."""
        told = list(outputs)
        if elsewhere := [message for message in told if self._is_elsewhere(message)]:
            self._other.publish_all(elsewhere)
        self._inner.commit([one for one in told if not self._is_elsewhere(one)], positions)

    def committed(self, partition: int) -> Position | None:
        """See `Subscription.committed`."""
        return self._inner.committed(partition)

    def seek(self, partition: int, offset: int) -> None:
        """See `Subscription.seek`."""
        self._inner.seek(partition, offset)

    def close(self) -> None:
        """See `Subscription.close`."""
        self._on_close(self._inner)
        self._inner.close()
