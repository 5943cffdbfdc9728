"""Dead letters as a store keeps them: what was put aside, why, and how it is tried again."""

import hashlib
from collections.abc import Sequence

import msgspec

from encoder.errors import ReplayError
from streamer.address import redact
from streamer.bus import CAMERAS, CLIPS, DEAD_LETTERS, TOPICS, Message, Record

MOST_BYTES = 4 * 1024 * 1024  # of a record's value, key and headers; of more only the size is kept
REPLAYED = ("replayed", b"1")

_ADDED = ("topic", "partition", "offset", "error", "attempt")  # by `dead_letter`, after all others
_UNKNOWN = "unknown"
_ID_LETTERS = 12
_LONGEST = 200  # letters of an error
_DIGITS = 9  # of a number of attempts or partitions
_OFFSET_DIGITS = 18

Headers = tuple[tuple[str, bytes], ...]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was put aside: where it lay, with what error, after how many attempts.

    `kept` says whether it is still there to be looked at and replayed: one that is too large is
    known by its size and hash alone, and so is a camera, which may name a secret.
    """

    letter_id: str
    sequence: int = 0  # given by the store, rising
    topic: str
    partition: int
    offset: int
    key: str
    error: str
    attempt: int
    size: int  # bytes of the value
    sha256: str  # of the value
    kept: bool
    arrived_at: float = 0.0  # given by the store, UTC seconds
    replayed_at: float | None = None  # the last time, UTC seconds


class WholeDeadLetter(DeadLetter, frozen=True, kw_only=True):
    """A dead letter with the record itself, its headers as they were before it was put aside."""

    headers: Headers = ()
    value: bytes | None = None


class DeadLetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters a reader wants; () and None mean all."""

    topics: tuple[str, ...] = ()
    replayed: bool | None = None


def read_dead_letter(record: Record) -> WholeDeadLetter:
    """What a record of the dead letter topic says; one that says nothing stands for itself."""
    added, headers = _split(record.headers)
    topic, partition, offset = _place(record, added)
    value = record.value or b""
    digest = hashlib.sha256(value).hexdigest()
    error = redact(_text(added.get("error", b""))).replace("\0", "")[:_LONGEST]
    kept = topic != CAMERAS.name and _weight(record.key, value, headers) <= MOST_BYTES
    return WholeDeadLetter(
        letter_id=_id(topic, partition, offset, digest),
        topic=topic,
        partition=partition,
        offset=offset,
        key=record.key.replace("\0", "")[: None if kept else _LONGEST],
        error=error or _UNKNOWN,
        attempt=_number(added.get("attempt", b"")),
        size=len(value),
        sha256=digest,
        kept=kept,
        headers=headers if kept else (),
        value=record.value if kept else None,
    )


def replay_message(letter: WholeDeadLetter) -> Message:
    """The record as it was first published, marked as published again.

    Raises ReplayError where that would be impossible, or do harm.
    """
    if obstacle := obstacle_of(letter):
        raise ReplayError(f"The dead letter {letter.letter_id} cannot be replayed: {obstacle}.")
    headers = tuple(one for one in letter.headers if one[0] != REPLAYED[0])
    return Message(letter.topic, letter.key, letter.value, (*headers, REPLAYED))


def obstacle_of(letter: DeadLetter) -> str:
    """Why it cannot be published again; "" if it can."""
    known = {topic.name: topic for topic in TOPICS if topic != DEAD_LETTERS}
    if letter.topic not in known:
        return f"{letter.topic} is no topic whose records are tried again"
    if known[letter.topic].compacted:
        # An old state would take the place of a newer one, or bring back what was removed
        return f"{letter.topic} holds the newest state of things, which is published anew anyway"
    if letter.topic == CLIPS.name:
        # Where streamer and encoder share a process, nobody reads it on the broker
        return "a clip counts only in its place, and its camera has gone on since"
    if not letter.kept:
        return f"its {letter.size} bytes were too many to keep"
    return ""


def weight_of(letter: WholeDeadLetter) -> int:
    """How many bytes are kept of the record."""
    return _weight(letter.key, letter.value or b"", letter.headers)


def _split(headers: Sequence[tuple[str, bytes]]) -> tuple[dict[str, bytes], Headers]:
    """What `dead_letter` added, and the headers that were there before."""
    added: dict[str, bytes] = {}
    rest: list[tuple[str, bytes]] = []
    for name, value in reversed(headers):
        if name in _ADDED and name not in added:
            added[name] = value or b""
        else:
            rest.append((name, value or b""))
    return added, tuple(reversed(rest))


def _place(record: Record, added: dict[str, bytes]) -> tuple[str, int, int]:
    topic = _text(added.get("topic", b"")).replace("\0", "")[:_LONGEST]
    if not topic:
        return record.topic, record.partition, record.offset
    partition = _number(added.get("partition", b""))
    return topic, partition, _number(added.get("offset", b""), _OFFSET_DIGITS)


def _id(topic: str, partition: int, offset: int, digest: str) -> str:
    # With the value: in memory, offsets begin anew with each start
    place = msgspec.json.encode([topic, partition, offset, digest])
    return hashlib.sha256(place).hexdigest()[:_ID_LETTERS]


def _weight(key: str, value: bytes, headers: Headers) -> int:
    return len(key) + len(value) + sum(len(name) + len(text) for name, text in headers)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _number(value: bytes, digits: int = _DIGITS) -> int:
    return int(value) if value.isdigit() and len(value) <= digits else 0
