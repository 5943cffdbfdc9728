"""What lies on the topics, as JSON Schemas: the files beside this one are made by it.

python -m deploy.schemas
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from deploy.schemas.fields import ARRAYS, COMMON, FIELDS
from encoder.record import EmbeddingRecord
from encoder.text_features_record import FeaturesRecord
from grounding.alert_state import CameraState
from grounding.blind import BlindPeriod
from grounding.feedback_record import FeedbackRecord
from grounding.query_record import QueryRecord
from grounding.record import AlertRecord
from grounding.silence import Silence
from streamer import bus
from streamer.camera_record import CameraRecord
from streamer.health import CameraHealth
from streamer.record import ClipRecord
from streamer.schema import Encoding

FOLDER = Path(__file__).resolve().parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_IN_MSGPACK = (
    "The record is MessagePack, not JSON: what is of type string with contentEncoding base64 here "
    "travels there as `bin`, as it is."
)


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """What lies on a topic: its records' type and encoding, and what their keys are."""

    topic: bus.Topic
    record: type[Any]
    key: str
    encoding: Encoding = "json"

    @property
    def name(self) -> str:
        """The topic's, without what all have in common: `cameras.v1`."""
        return self.topic.name.removeprefix("watchword.")

    @property
    def file(self) -> str:
        """The name of the schema's file."""
        return f"{self.name}.json"

    @property
    def urn(self) -> str:
        """The schema's `$id`, which names it and leads nowhere."""
        return f"urn:watchword:schema:{self.name}"


TOPIC_RECORDS = (
    TopicRecord(bus.CLIPS, ClipRecord, "camera_id", "msgpack"),
    TopicRecord(bus.EMBEDDINGS, EmbeddingRecord, "camera_id", "msgpack"),
    TopicRecord(bus.CAMERAS, CameraRecord, "camera_id"),
    TopicRecord(bus.QUERIES, QueryRecord, "query_id"),
    TopicRecord(bus.SILENCES, Silence, "silence_id"),
    TopicRecord(bus.QUERY_FEATURES, FeaturesRecord, "query_id", "msgpack"),
    TopicRecord(bus.ALERTS, AlertRecord, "camera_id"),
    TopicRecord(bus.ALERT_STATE, CameraState, "camera_id", "msgpack"),
    TopicRecord(bus.HEALTH, CameraHealth, "camera_id"),
    TopicRecord(bus.BLIND, BlindPeriod, "camera_id"),
    TopicRecord(bus.FEEDBACK, FeedbackRecord, "camera_id"),
)


def describe(record: TopicRecord) -> str:
    """The schema's file, the same for the same code."""
    made = msgspec.json.schema(record.record)
    for title, definition in made["$defs"].items():
        definition["description"] = " ".join(definition["description"].split())
        for field, place in _fields(definition):
            _explain(title, field, place)
    note = {"$comment": _IN_MSGPACK} if record.encoding == "msgpack" else {}
    schema = {
        "$schema": DIALECT,
        "$id": record.urn,
        "title": record.topic.name,
        **note,
        "x-key": record.key,
        "x-encoding": record.encoding,
        **made,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _fields(definition: dict[str, Any]) -> Iterator[tuple[str | int, dict[str, Any]]]:
    yield from definition.get("properties", {}).items()
    yield from enumerate(definition.get("prefixItems", ()))


def _explain(title: str, field: str | int, place: dict[str, Any]) -> None:
    if isinstance(field, int):
        place["title"], place["description"] = ARRAYS[title][field]
    elif words := FIELDS.get(title, {}).get(field) or COMMON.get(field):
        place["description"] = words
