"""The seam between stages: bytes on named topics.

`MemoryBus` (this process) and a Kafka bus pass one contract suite (tests/contract): stages never
know which of the two they talk to. A topic has a fixed number of partitions; a key always lands
in the same one (Kafka's own murmur2 rule), so the records of a key stay in order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

PARTITIONS = 24  # fixed when a topic is created: changing it would break the order of keys

WhenFull = Literal["block", "drop_oldest"]

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's name and policy.

    `capacity` bounds the records of one key that its readers have not yet committed. With
    `needs_reader` a publisher waits for a reader even before the first one subscribes;
    without, the oldest records of a topic that nobody reads make room, and are counted.
    Of each key, `kept` committed records stay for readers that rewind. A compacted topic keeps
    the newest record of each key and is never full. On Kafka nothing is ever full: what is older
    than `keep_seconds` is deleted there.
    """

    name: str
    capacity: int = 256
    kept: int = 0
    compacted: bool = False
    needs_reader: bool = False
    keep_seconds: int = 30 * DAY


CLIPS = Topic("watchword.clips.v1", capacity=16, needs_reader=True, keep_seconds=300)
EMBEDDINGS = Topic(
    "watchword.embeddings.v1", capacity=64, kept=150, needs_reader=True, keep_seconds=3 * DAY
)
CAMERAS = Topic("watchword.cameras.v1", compacted=True)
QUERIES = Topic("watchword.queries.v1", compacted=True)
SILENCES = Topic("watchword.silences.v1", compacted=True)
QUERY_FEATURES = Topic("watchword.query-features.v1", compacted=True)
ALERTS = Topic("watchword.alerts.v1", capacity=4096, needs_reader=True)
ALERT_STATE = Topic("watchword.alert-state.v1", compacted=True)
HEALTH = Topic("watchword.health.v1", compacted=True)
BLIND = Topic("watchword.blind.v1")
FEEDBACK = Topic("watchword.feedback.v1", keep_seconds=365 * DAY)
DEAD_LETTERS = Topic("watchword.deadletter.v1")

TOPICS = (
    CLIPS,
    EMBEDDINGS,
    CAMERAS,
    QUERIES,
    SILENCES,
    QUERY_FEATURES,
    ALERTS,
    ALERT_STATE,
    HEALTH,
    BLIND,
    FEEDBACK,
    DEAD_LETTERS,
)


@dataclass(frozen=True, slots=True)
class Message:
    """What a stage says: `value` None deletes the key of a compacted topic."""

    topic: str
    key: str
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A message where it landed; `published` is production time in UTC seconds."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    published: float


@dataclass(frozen=True, slots=True)
class Position:
    """The next offset to read, with what the group noted beside it (design 3.2: `rewind`)."""

    offset: int
    note: str = ""


Partitions = frozenset[int]


@dataclass(frozen=True, slots=True)
class Rebalance:
    """Told inside `poll`: partitions gained (seek here) and about to be lost (drain here)."""

    on_assigned: Callable[[Partitions], None] = field(default=lambda gained: None)
    on_revoked: Callable[[Partitions], None] = field(default=lambda lost: None)


class Subscription(Protocol):
    """One reader of one topic; used by one thread, except `close`."""

    @property
    def assigned(self) -> Partitions:
        """The partitions that are this reader's."""

    @property
    def settled(self) -> bool:
        """Whether it is agreed who reads which partitions: false while the group changes."""

    @property
    def caught_up(self) -> bool:
        """Whether all that lay on the topic when the subscription began has been polled.

        With a group: all that lay on a partition when it was assigned.
        """

    @property
    def finished(self) -> bool:
        """Whether the topic's writers have ended and all that is this reader's was polled."""

    def poll(self, timeout: float, max_records: int = 256) -> Sequence[Record]:
        """Up to `max_records` new records, in order within each key.

        Waits `timeout` seconds for the first; empty when none came or the topic is finished.
        Without a group, what was polled before counts as committed now.

        Raises:
            BusClosedError: the bus or this subscription is closed.
        """

    def commit(
        self,
        outputs: Iterable[Message] = (),
        positions: Mapping[int, Position] | None = None,
    ) -> None:
        """Publish the outputs and store the read positions (partition to Position): both or none.

        Without `positions`, everything polled so far is done. Waits while an output topic is
        full. Without a group, positions only say what may be forgotten.

        Raises:
            BusClosedError: closed before the outputs had room; nothing was stored.
            NotAssignedError: a position names a partition of another member.
            CommitLostError: the group or the broker gave the partitions away meanwhile; nothing
                was stored, and what was polled since the last commit comes again, to somebody.
        """

    def committed(self, partition: int) -> Position | None:
        """The group's stored position; None before the first commit, and without a group."""

    def seek(self, partition: int, offset: int) -> None:
        """Read on from `offset`, or from the oldest record still kept if that is newer.

        Raises:
            NotAssignedError: the partition belongs to another member.
        """

    def close(self) -> None:
        """Leave the group; polled records that were not committed go to another member."""


class Bus(Protocol):
    """Topics to publish to and subscribe to; safe to use from any thread."""

    @property
    def partitions(self) -> int:
        """How many partitions each topic has."""

    def publish(
        self, message: Message, when_full: WhenFull = "block", timeout: float | None = None
    ) -> int:
        """Append a message; returns how many older records of its key were dropped for it.

        A live source drops that key's oldest unread records ("drop_oldest"); everything else
        blocks until its readers commit.

        Raises:
            BusFullError: still full after `timeout` seconds (None waits for ever).
            BusClosedError: the bus is closed, also while waiting.
            UnknownTopicError: the topic was never declared.
            BusError: the topic was finished.
        """

    def publish_all(self, messages: Sequence[Message]) -> None:
        """Append all in order, and return once all are stored; blocks while a topic is full.

        Raises:
            BusClosedError, UnknownTopicError, BusError: as `publish`.
        """

    def lags(self) -> Mapping[str, int]:
        """By topic: records that lie there for the groups that read here, and were not polled."""

    def subscribe(
        self,
        topic: str,
        group: str | None = None,
        rebalance: Rebalance | None = None,
        partitions: Partitions | None = None,
    ) -> Subscription:
        """Read a topic: with a group from where it stands, sharing partitions with its members.

        Without a group the whole topic is read from the oldest record kept, by this reader alone;
        of it only `partitions`, if they are named.

        Raises:
            UnknownTopicError: the topic was never declared.
            BusClosedError: the bus is closed.
        """

    def finish(self, topic: str) -> None:
        """Say that no more comes on the topic: its readers end when they are through."""

    def close(self) -> None:
        """Wake and end everyone who waits; closing twice is allowed."""


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key, as Kafka's default partitioner finds it."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """32-bit MurmurHash2 with Kafka's seed, unsigned (org.apache.kafka.common.utils.Utils)."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    value = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * multiplier & mask
        word = (word ^ (word >> 24)) * multiplier & mask
        value = (value * multiplier & mask) ^ word
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * multiplier & mask
    value = (value ^ (value >> 13)) * multiplier & mask
    return value ^ (value >> 15)
