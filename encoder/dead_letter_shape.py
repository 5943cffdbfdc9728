"""Dead letters as HTTP tells them."""

import base64
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from pydantic import ConfigDict, Field

from encoder.stored_dead_letter import DeadLetter, WholeDeadLetter, obstacle_of
from streamer.shape import Shape, utc

MOST_DECODED = 64 * 1024  # bytes of a value whose fields are shown
DEEPEST = 8

_EXAMPLE: dict[str, Any] = {
    "id": "b1f51a511f1d",
    "topic": "watchword.embeddings.v1",
    "partition": 7,
    "offset": 4711,
    "key": "yard",
    "error": "EmbeddingRecordError",
    "attempt": 1,
    "size": 1174,
    "sha256": "9f2c4be1" * 8,
    "kept": True,
    "replayable": True,
    "obstacle": "",
    "arrived_at": "2025-03-01T08:00:12Z",
    "replayed_at": None,
}


class DeadLetterReply(Shape):
    """A record that was put aside, because it could not be used."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: str
    topic: str = Field(description="Where it lay.")
    partition: int
    offset: int
    key: str = Field(description="Mostly the camera's id.")
    error: str = Field(description="What was wrong the last time it was tried.")
    attempt: int = Field(description="How often it was tried.")
    size: int = Field(description="Bytes of its value.")
    sha256: str = Field(description="Of its value.")
    kept: bool = Field(
        description="Whether the record is still here; a large one is not, nor is a camera."
    )
    replayable: bool = Field(description="Whether it can be published again.")
    obstacle: str = Field(description="Why it cannot; empty if it can.")
    arrived_at: datetime = Field(description="When the server learned of it.")
    replayed_at: datetime | None = Field(description="When it was last published again.")


class HeaderReply(Shape):
    """A header of a record."""

    name: str
    value: str = Field(description="Base64.")


class WholeDeadLetterReply(DeadLetterReply):
    """A dead letter with the record itself."""

    model_config = ConfigDict(json_schema_extra=None)

    headers: list[HeaderReply] = Field(description="As they were before it was put aside.")
    value: str | None = Field(description="Base64; null if it is not kept, or there was none.")
    decoded: dict[str, Any] | None = Field(
        description="The fields of the value, if it is small and has any; bytes are counted."
    )


class DeadLetterPage(Shape):
    """Dead letters, the newest first."""

    items: list[DeadLetterReply]
    next: str | None = Field(description="The cursor of the next page, null on the last.")


def letter_reply(letter: DeadLetter) -> DeadLetterReply:
    """A dead letter without its record."""
    return DeadLetterReply(**_facts(letter))


def whole_reply(letter: WholeDeadLetter) -> WholeDeadLetterReply:
    """A dead letter with its record."""
    headers = [HeaderReply(name=name, value=_base64(text)) for name, text in letter.headers]
    value = None if letter.value is None else _base64(letter.value)
    decoded = decode_fields(letter.value or b"")
    return WholeDeadLetterReply(**_facts(letter), headers=headers, value=value, decoded=decoded)


def decode_fields(value: bytes) -> dict[str, Any] | None:
    """The fields of a record, whatever its kind or schema: of JSON, else of MessagePack.

    >>> decode_fields(b'{"index":3}')
    {'index': 3}
    """
    if len(value) > MOST_DECODED:
        return None
    for decode in (msgspec.json.decode, msgspec.msgpack.decode):
        try:
            fields = decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, TypeError):
            continue
        if isinstance(fields, Mapping):
            return {str(name): _shown(one, 1) for name, one in fields.items()}
    return None


def _shown(value: object, depth: int) -> Any:
    """A value as JSON can hold it."""
    if depth > DEEPEST:
        return "..."
    match value:
        case Mapping():
            return {str(name): _shown(one, depth + 1) for name, one in value.items()}
        case list():
            return [_shown(one, depth + 1) for one in value]
        case bytes():
            return f"({len(value)} bytes)"
        case float() if not math.isfinite(value):
            return str(value)
        case None | str() | bool() | int() | float():
            return value
    return str(value)


def _facts(letter: DeadLetter) -> dict[str, Any]:
    at, obstacle = letter.replayed_at, obstacle_of(letter)
    return {
        "id": letter.letter_id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": letter.key,
        "error": letter.error,
        "attempt": letter.attempt,
        "size": letter.size,
        "sha256": letter.sha256,
        "kept": letter.kept,
        "replayable": not obstacle,
        "obstacle": obstacle,
        "arrived_at": utc(letter.arrived_at),
        "replayed_at": None if at is None else utc(at),
    }


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
