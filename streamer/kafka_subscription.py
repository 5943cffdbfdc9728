"""A reader of a topic on Kafka."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from streamer.bus import Message, Partitions, Position, Rebalance, Record
from streamer.errors import BusClosedError, CommitLostError, NotAssignedError
from streamer.kafka_reader import KafkaReader
from streamer.kafka_transactions import Transactions


class Outlets(Protocol):
    """What a commit publishes to: the bus."""

    def check_writable(self, messages: Sequence[Message]) -> None:
        """Raises UnknownTopicError or BusError for a message that cannot be published."""

    def is_finished(self, topic: str) -> bool:
        """Whether the topic was finished in this process."""


class KafkaSubscription:
    """See `Subscription`. Everything is guarded by the reader's one lock."""

    def __init__(
        self,
        topic: str,
        reader: KafkaReader,
        transactions: Transactions,
        outlets: Outlets,
        rebalance: Rebalance | None,
        on_close: Callable[["KafkaSubscription"], None],
    ) -> None:
        self.topic = topic
        self.is_shared = rebalance is not None  # by the members of a group
        self._reader = reader
        self._changed = reader.changed
        self._transactions = transactions
        self._outlets = outlets
        self._rebalance = rebalance or Rebalance()
        self._on_close = on_close
        self._was_caught_up = False

    @property
    def is_closed(self) -> bool:
        """Whether it ends, or has ended."""
        return self._reader.closed

    @property
    def assigned(self) -> Partitions:
        """See `Subscription.assigned`."""
        with self._changed:
            return frozenset(self._reader.assignment.owned)

    @property
    def settled(self) -> bool:
        """See `Subscription.settled`; not while no broker is there to settle anything with."""
        with self._changed:
            return self._is_settled() and self._reader.hears_brokers

    @property
    def caught_up(self) -> bool:
        """See `Subscription.caught_up`."""
        with self._changed:
            return self._is_settled() and self._has_reached(self._reader.ends.gained)

    @property
    def finished(self) -> bool:
        """See `Subscription.finished`."""
        with self._changed:
            return self._is_finished()

    @property
    def lag(self) -> int:
        """Records that lie there and were not polled."""
        with self._changed:
            buffer = self._reader.buffer
            return sum(
                max(0, end - buffer.position(partition))
                for partition, end in self._reader.ends.newest.items()
                if partition in self._reader.assignment.owned
            )

    def poll(self, timeout: float, max_records: int = 256) -> Sequence[Record]:
        """See `Subscription.poll`."""
        deadline = time.monotonic() + timeout
        while True:
            self._tell_changes()
            with self._changed:
                self._check_open()
                records = self._reader.buffer.take(self._readable(), max_records)
                left = deadline - time.monotonic()
                if records or left <= 0 or self._is_finished() or self._catches_up():
                    return records
                if self._reader.assignment.next_change is None:
                    self._changed.wait(left)

    def commit(
        self,
        outputs: Iterable[Message] = (),
        positions: Mapping[int, Position] | None = None,
    ) -> None:
        """See `Subscription.commit`."""
        messages = list(outputs)
        with self._changed:
            self._check_open()
            places = dict(self._done() if positions is None else positions)
            for partition in places:
                self._check_assigned(partition)
        self._outlets.check_writable(messages)
        if not self.is_shared:
            places = {}
        if not messages and not places:
            return
        self._transactions.commit(messages, places, lambda: self._member(places))
        with self._changed:
            self._reader.committed.update(places)

    def committed(self, partition: int) -> Position | None:
        """See `Subscription.committed`."""
        with self._changed:
            if not self.is_shared:
                return None
            if partition in self._reader.assignment.owned:
                return self._reader.committed.get(partition)
            return self._reader.ask_committed(partition)

    def seek(self, partition: int, offset: int) -> None:
        """See `Subscription.seek`."""
        with self._changed:
            self._check_assigned(partition)
            self._reader.seek(partition, offset)

    def close(self) -> None:
        """See `Subscription.close`."""
        self.stop()
        self._reader.join(5.0)

    def stop(self) -> None:
        """Ends it, without waiting until the group was left."""
        with self._changed:
            if self._reader.closed:
                return
        self._reader.stop()
        self._transactions.close()
        self._on_close(self)

    def wake(self) -> None:
        """Lets whoever waits look again."""
        with self._changed:
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Waits until the group was left."""
        self._reader.join(seconds)

    def _tell_changes(self) -> None:
        """Calls the reader back, on its own thread, outside the lock."""
        assignment = self._reader.assignment
        while True:
            with self._changed:
                self._check_open()
                change = assignment.next_change
                if change is None:
                    return
                assignment.begin_telling(change)
                partitions = frozenset(change.partitions)
            try:
                if change.gained:
                    self._rebalance.on_assigned(partitions)
                else:
                    self._rebalance.on_revoked(partitions)
            finally:
                with self._changed:
                    self._reader.end_telling(change)

    def _readable(self) -> Partitions:
        assignment = self._reader.assignment
        return frozenset(assignment.owned - assignment.leaving)

    def _catches_up(self) -> bool:
        """Whether it is caught up for the first time: who rebuilds state waits for no more."""
        if self._was_caught_up:
            return False
        self._was_caught_up = self._is_settled() and self._has_reached(self._reader.ends.gained)
        return self._was_caught_up

    def _done(self) -> dict[int, Position]:
        buffer = self._reader.buffer
        return {p: Position(buffer.position(p)) for p in self._reader.assignment.owned}

    def _member(self, places: Mapping[int, Position]) -> Any:
        """The membership to store these positions under, while they are this reader's."""
        if not places:
            return None
        with self._changed:
            if lost := self._reader.assignment.gone & places.keys():
                raise CommitLostError(
                    f"Partitions {sorted(lost)} of '{self.topic}' went to another member before "
                    "the commit: nothing of it was stored."
                )
        return self._reader.membership()

    def _is_settled(self) -> bool:
        reader = self._reader
        return reader.is_stable and reader.assignment.is_quiet

    def _is_finished(self) -> bool:
        if not self._outlets.is_finished(self.topic):
            return False
        return self._is_settled() and self._has_reached(self._reader.ends.final)

    def _has_reached(self, ends: Mapping[int, int]) -> bool:
        owned = self._reader.assignment.owned
        known = {partition: ends[partition] for partition in owned & ends.keys()}
        return len(known) == len(owned) and self._reader.buffer.reached(known)

    def _check_open(self) -> None:
        if self._reader.error is not None:
            raise self._reader.error
        if self._reader.closed:
            raise BusClosedError(f"The subscription to '{self.topic}' is closed.")

    def _check_assigned(self, partition: int) -> None:
        if partition not in self._reader.assignment.owned:
            raise NotAssignedError(
                f"Partition {partition} of '{self.topic}' belongs to another reader "
                "of the group: poll first, and keep to the assigned partitions."
            )
