"""A reader of a topic in memory."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from streamer.bus import Message, Partitions, Position, Rebalance, Record
from streamer.errors import BusClosedError, NotAssignedError
from streamer.memory_topic import Group, MemoryTopic

if TYPE_CHECKING:
    from streamer.memory_bus import MemoryBus


class MemorySubscription:
    """See `Subscription`. All state is guarded by the bus's one lock."""

    def __init__(
        self,
        bus: "MemoryBus",
        topic: MemoryTopic,
        group: str | None,
        rebalance: Rebalance,
        partitions: Partitions | None = None,
    ) -> None:
        self._bus = bus
        self._changed = bus.changed
        self._topic = topic
        self._alone = group is None
        self._rebalance = rebalance
        self._closed = False
        self._turn = 0  # the partition to begin with, so that none starves
        self._group: Group = topic.join(group)
        self._group.members.append(self)
        if self._alone:
            self._group.wanted = partitions
        self._ends = [log.next_offset for log in topic.logs]  # what lay here at the beginning

    @property
    def assigned(self) -> Partitions:
        """See `Subscription.assigned`."""
        with self._changed:
            return self._group.owned_by(self)

    @property
    def settled(self) -> bool:
        """See `Subscription.settled`."""
        with self._changed:
            return not self._due_change()

    @property
    def caught_up(self) -> bool:
        """See `Subscription.caught_up`."""
        with self._changed:
            return self._drained(self._ends) and not self._due_change()

    @property
    def finished(self) -> bool:
        """See `Subscription.finished`."""
        with self._changed:
            return self._is_finished()

    def poll(self, timeout: float, max_records: int = 256) -> Sequence[Record]:
        """See `Subscription.poll`."""
        deadline = time.monotonic() + timeout
        if self._alone:
            self.commit()
        while True:
            self._take_and_give()
            with self._changed:
                self._check_open()
                records = self._collect(max_records)
                left = deadline - time.monotonic()
                if records or left <= 0 or self._is_finished():
                    return records
                if not self._due_change():
                    self._changed.wait(left)

    def commit(
        self,
        outputs: Iterable[Message] = (),
        positions: Mapping[int, Position] | None = None,
    ) -> None:
        """See `Subscription.commit`."""
        with self._changed:
            self._check_open()
            if positions is None:
                owned = self._group.owned_by(self)
                positions = {p: Position(self._group.polled[p]) for p in owned}
            for partition in positions:
                self._check_assigned(partition)
            self._bus.append_all(list(outputs))
            self._group.committed.update(positions)
            for partition in positions:
                self._topic.forget_committed(partition)
            self._changed.notify_all()

    def committed(self, partition: int) -> Position | None:
        """See `Subscription.committed`."""
        with self._changed:
            return None if self._alone else self._group.committed.get(partition)

    def seek(self, partition: int, offset: int) -> None:
        """See `Subscription.seek`."""
        with self._changed:
            self._check_assigned(partition)
            log = self._topic.logs[partition]
            self._group.polled[partition] = min(max(offset, log.oldest()), log.next_offset)
            self._changed.notify_all()

    def close(self) -> None:
        """See `Subscription.close`."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._group.release(self._group.owned_by(self))
            self._group.members.remove(self)
            if self._alone:
                self._topic.leave(self._group)
            self._changed.notify_all()

    def _take_and_give(self) -> None:
        """Partitions that are to change hands; callbacks run outside the lock, on this thread."""
        with self._changed:
            self._check_open()
            owned, share = self._group.owned_by(self), self._share()
        if lost := owned - share:
            self._rebalance.on_revoked(lost)
            with self._changed:
                self._group.release(lost)
                self._changed.notify_all()
        with self._changed:
            gained = frozenset(p for p in share if p not in self._group.owners)
            for partition in gained:
                self._group.owners[partition] = self
                oldest = self._topic.logs[partition].oldest()
                self._group.polled[partition] = max(oldest, self._group.position(partition))
                self._ends[partition] = self._topic.logs[partition].next_offset
        if gained:
            self._rebalance.on_assigned(gained)

    def _collect(self, max_records: int) -> list[Record]:
        owned = sorted(self._group.owned_by(self))
        records: list[Record] = []
        for step in range(len(owned)):
            partition = owned[(self._turn + step) % len(owned)]
            log = self._topic.logs[partition]
            for record in log.read(self._group.polled[partition]):
                if len(records) == max_records:
                    break
                records.append(record)
                self._group.polled[partition] = record.offset + 1
        self._turn += 1
        return records

    def _share(self) -> Partitions:
        return self._group.share_of(self, len(self._topic.logs))

    def _due_change(self) -> bool:
        owned, share = self._group.owned_by(self), self._share()
        return bool(owned - share) or any(p not in self._group.owners for p in share)

    def _is_finished(self) -> bool:
        ends = [log.next_offset for log in self._topic.logs]
        return self._topic.finished and self._drained(ends) and not self._due_change()

    def _drained(self, ends: list[int]) -> bool:
        polled, logs = self._group.polled, self._topic.logs
        owned = self._group.owned_by(self)
        return not any(logs[p].holds(polled[p], ends[p]) for p in owned)

    def _check_open(self) -> None:
        if self._closed:
            raise BusClosedError(f"The subscription to '{self._topic.policy.name}' is closed.")
        self._bus.check_open()

    def _check_assigned(self, partition: int) -> None:
        if self._group.owners.get(partition) is not self:
            raise NotAssignedError(
                f"Partition {partition} of '{self._topic.policy.name}' belongs to another reader "
                "of the group: poll first, and keep to the assigned partitions."
            )
