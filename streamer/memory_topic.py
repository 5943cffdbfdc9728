"""A topic's records and readers; every call is made under the bus's lock."""

from bisect import bisect_left
from collections.abc import Iterator

from streamer.bus import Message, Partitions, Position, Record, Topic


class PartitionLog:
    """Records by offset; a key's records can be dropped, so offsets may have holes."""

    def __init__(self) -> None:
        self.next_offset = 0
        self.floor = 0  # records below are committed by every reader
        self._records: dict[int, Record] = {}
        self._order: list[int] = []  # offsets, ascending
        self._by_key: dict[str, list[int]] = {}

    def append(self, partition: int, message: Message, published: float) -> None:
        """Adds a message at the end."""
        offset, self.next_offset = self.next_offset, self.next_offset + 1
        self._records[offset] = Record(
            message.topic,
            partition,
            offset,
            message.key,
            message.value,
            message.headers,
            published,
        )
        self._order.append(offset)
        self._by_key.setdefault(message.key, []).append(offset)

    def read(self, position: int, below: int | None = None) -> Iterator[Record]:
        """Records from a position on."""
        first = bisect_left(self._order, position)
        last = len(self._order) if below is None else bisect_left(self._order, below)
        return (self._records[offset] for offset in self._order[first:last])

    def holds(self, position: int, below: int) -> bool:
        """Whether any record lies in [position, below)."""
        first = bisect_left(self._order, position)
        return first < len(self._order) and self._order[first] < below

    def count_from(self, position: int) -> int:
        """How many records lie at a position or after it."""
        return len(self._order) - bisect_left(self._order, position)

    def oldest(self) -> int:
        """The lowest offset that can still be read."""
        return self._order[0] if self._order else self.next_offset

    def waiting(self, key: str) -> int:
        """How many of a key's records not every reader has committed."""
        offsets = self._by_key.get(key, [])
        return len(offsets) - bisect_left(offsets, self.floor)

    def drop_oldest(self, key: str, most: int, polled: int) -> int:
        """Drops a key's oldest records at or after `polled` until `most` wait; how many."""
        unread = [offset for offset in self._by_key.get(key, []) if offset >= polled]
        surplus = max(0, self.waiting(key) - most)
        for offset in unread[:surplus]:
            self._remove(offset)
        return min(surplus, len(unread))

    def forget_committed(self, kept: int) -> None:
        """Drops committed records but the newest `kept` of each key."""
        for offsets in list(self._by_key.values()):
            committed = bisect_left(offsets, self.floor)
            for offset in offsets[: max(0, committed - kept)]:
                self._remove(offset)

    def compact(self, key: str, polled: int) -> None:
        """Drops all but a key's newest record, and deletions that every reader has seen."""
        for offset in self._by_key[key][:-1]:
            self._remove(offset)
        seen = self._order[: bisect_left(self._order, polled)]
        for offset in [at for at in seen if self._records[at].value is None]:
            self._remove(offset)

    def _remove(self, offset: int) -> None:
        record = self._records.pop(offset)
        del self._order[bisect_left(self._order, offset)]
        offsets = self._by_key[record.key] = [at for at in self._by_key[record.key] if at != offset]
        if not offsets:
            del self._by_key[record.key]


class Group:
    """Readers that share a topic's partitions, and where they stand."""

    def __init__(self) -> None:
        self.members: list[object] = []  # in the order they joined
        self.owners: dict[int, object] = {}
        self.committed: dict[int, Position] = {}
        self.polled: dict[int, int] = {}  # the next offset to hand out, by partition
        self.wanted: Partitions | None = None  # of a reader without a group; None: all

    def share_of(self, member: object, partitions: int) -> Partitions:
        """The partitions that shall be a member's; it gets them once their owner has let go."""
        if member not in self.members:
            return frozenset()
        turn = self.members.index(member)
        share = frozenset(range(turn, partitions, len(self.members)))
        return share if self.wanted is None else share & self.wanted

    def owned_by(self, member: object) -> Partitions:
        """The partitions that are a member's now."""
        return frozenset(p for p, owner in self.owners.items() if owner is member)

    def release(self, partitions: Partitions) -> None:
        """Lets go: the next owner reads on from what was committed."""
        for partition in partitions:
            del self.owners[partition]
            del self.polled[partition]

    def position(self, partition: int) -> int:
        """The committed offset, 0 before the first commit."""
        committed = self.committed.get(partition)
        return committed.offset if committed else 0

    def polled_to(self, partition: int) -> int:
        """What was handed out, or committed when nobody owns the partition."""
        return self.polled.get(partition, self.position(partition))


class MemoryTopic:
    """One topic: its partitions and the groups that read it."""

    def __init__(self, policy: Topic, partitions: int) -> None:
        self.policy = policy
        self.logs = [PartitionLog() for _ in range(partitions)]
        self.finished = False
        self._named: dict[str, Group] = {}
        self._single: list[Group] = []

    @property
    def groups(self) -> list[Group]:
        """All readers: groups, and subscriptions without one."""
        return [*self._named.values(), *self._single]

    @property
    def is_shared(self) -> bool:
        """Whether a named group reads it."""
        return bool(self._named)

    @property
    def lag(self) -> int:
        """Records that the named groups have not polled, those of the slowest counted."""
        return max(
            (
                sum(log.count_from(group.polled_to(p)) for p, log in enumerate(self.logs))
                for group in self._named.values()
            ),
            default=0,
        )

    @property
    def is_waited_for(self) -> bool:
        """Whether a full topic waits for its readers; else its oldest records make room."""
        return self.policy.needs_reader or any(group.members for group in self.groups)

    def join(self, name: str | None) -> Group:
        """The group of that name, or a group of its own."""
        if name is not None:
            return self._named.setdefault(name, Group())
        group = Group()
        self._single.append(group)
        return group

    def leave(self, group: Group) -> None:
        """Forgets a subscription without a group; named groups keep their positions."""
        if group in self._single:
            self._single.remove(group)
            for partition in range(len(self.logs)):
                self.forget_committed(partition)

    def has_room(self, partition: int, key: str, count: int) -> bool:
        """Whether `count` more records of a key fit; into an empty topic anything does."""
        if self.policy.compacted or not self.is_waited_for:
            return True
        waiting = self.logs[partition].waiting(key)
        return waiting == 0 or waiting + count <= self.policy.capacity

    def append(self, partition: int, message: Message, published: float) -> None:
        """Adds a message and keeps the topic's bounds that need no waiting."""
        log = self.logs[partition]
        log.append(partition, message, published)
        if self.policy.compacted:
            log.compact(message.key, self._polled_by_all(partition))

    def drop_for(self, partition: int, key: str) -> int:
        """Makes room for one record by dropping the key's oldest unread ones; how many."""
        if self.policy.compacted:
            return 0
        most = self.policy.capacity - 1
        return self.logs[partition].drop_oldest(key, most, self._polled_by_all(partition))

    def forget_committed(self, partition: int) -> None:
        """Drops what every reader has committed, but for what the topic keeps for rewinding."""
        if self.policy.compacted or not self.groups:
            return
        log = self.logs[partition]
        readers = [g for g in self.groups if g.wanted is None or partition in g.wanted]
        floor = min((group.position(partition) for group in readers), default=0)
        if floor > log.floor:
            log.floor = floor
            log.forget_committed(self.policy.kept)

    def _polled_by_all(self, partition: int) -> int:
        return min((group.polled_to(partition) for group in self.groups), default=0)
