"""Records that were read from Kafka and wait for their reader."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from streamer.bus import Partitions, Record

MOST_RECORDS = 2000
MOST_BYTES = 32 * 2**20


class ReadBuffer:
    """By partition, records in order and where each stands. Guarded by its owner's lock."""

    def __init__(self, most_records: int = MOST_RECORDS, most_bytes: int = MOST_BYTES) -> None:
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._records: dict[int, deque[Record]] = {}
        self._fetched: dict[int, int] = {}  # where the next record of Kafka is read
        self._begun: dict[int, int] = {}  # how often
        self._count = 0
        self._bytes = 0
        self._turn = 0  # the partition to begin with, so that none starves

    @property
    def is_full(self) -> bool:
        """Whether no more should be read for now."""
        return self._count >= self._most_records or self._bytes >= self._most_bytes

    @property
    def has_room(self) -> bool:
        """Whether to read on after it was full: once half of it was taken."""
        return self._count <= self._most_records // 2 and self._bytes <= self._most_bytes // 2

    def begin(self, partition: int, position: int) -> None:
        """What comes of the partition comes from here on; what waits of it is forgotten."""
        self.drop([partition])
        self._records[partition] = deque()
        self._fetched[partition] = position
        self._begun[partition] = self._begun.get(partition, 0) + 1

    def begun(self) -> dict[int, int]:
        """By partition, how often it was begun: what was read under an older count is stale."""
        return dict(self._begun)

    def add(self, partition: int, records: Sequence[Record], position: int) -> None:
        """Adds what was read; `position` is where the next record is read."""
        self._records[partition].extend(records)
        self._fetched[partition] = position
        self._count += len(records)
        self._bytes += sum(map(_size, records))

    def take(self, partitions: Partitions, most: int) -> list[Record]:
        """Up to so many records of these partitions."""
        order = sorted(partitions & self._records.keys())
        taken: list[Record] = []
        for step in range(len(order)):
            waiting = self._records[order[(self._turn + step) % len(order)]]
            while waiting and len(taken) < most:
                taken.append(waiting.popleft())
        self._turn += 1
        self._count -= len(taken)
        self._bytes -= sum(map(_size, taken))
        return taken

    def position(self, partition: int) -> int:
        """The offset after what was taken, and after what transactions leave behind it."""
        waiting = self._records[partition]
        return waiting[0].offset if waiting else self._fetched[partition]

    def reached(self, ends: Mapping[int, int]) -> bool:
        """Whether everything below these offsets was taken."""
        return all(self.position(partition) >= end for partition, end in ends.items())

    def drop(self, partitions: Iterable[int]) -> None:
        """Forgets these partitions."""
        for partition in partitions:
            waiting = self._records.pop(partition, deque())
            self._fetched.pop(partition, None)
            self._count -= len(waiting)
            self._bytes -= sum(map(_size, waiting))


def _size(record: Record) -> int:
    return len(record.value or b"") + 200  # a record's own objects
