"""Every topic's reader keeps the contract: newer fields ignored, a later schema refused."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from encoder.errors import EmbeddingRecordError, FeaturesRecordError
from encoder.record import unpack_embedding
from encoder.text_features_record import unpack_text_features
from encoder.text_request import unpack_text_request
from grounding.alert_state import unpack_alert_state
from grounding.blind import unpack_blind
from grounding.feedback_record import unpack_feedback
from grounding.query_record import unpack_query
from grounding.record import unpack_alert
from streamer import bus
from streamer.camera_record import unpack_camera
from streamer.errors import RecordError
from streamer.health import unpack_health
from streamer.record import unpack_clip
from tests.deploy.schemas.test_schemas import real_records

Reader = Callable[[bytes], Any]

READERS: dict[str, tuple[bus.Topic, Reader, type[Exception]]] = {
    "clips": (bus.CLIPS, unpack_clip, RecordError),
    "embeddings": (bus.EMBEDDINGS, unpack_embedding, EmbeddingRecordError),
    "cameras": (bus.CAMERAS, unpack_camera, RecordError),
    "queries": (bus.QUERIES, unpack_query, RecordError),
    "texts of queries": (bus.QUERIES, unpack_text_request, RecordError),
    "query features": (bus.QUERY_FEATURES, unpack_text_features, FeaturesRecordError),
    "alerts": (bus.ALERTS, unpack_alert, RecordError),
    "alert state": (bus.ALERT_STATE, unpack_alert_state, RecordError),
    "health": (bus.HEALTH, unpack_health, RecordError),
    "blind": (bus.BLIND, unpack_blind, RecordError),
    "feedback": (bus.FEEDBACK, unpack_feedback, RecordError),
}
IN_MSGPACK = {bus.CLIPS, bus.EMBEDDINGS, bus.QUERY_FEATURES, bus.ALERT_STATE}
readers = pytest.mark.parametrize("name", READERS)


def record_with(topic: bus.Topic, **fields: object) -> bytes:
    """A real record of the topic, with fields changed or added."""
    value = real_records()[topic.name]
    if topic in IN_MSGPACK:
        return msgspec.msgpack.encode(msgspec.msgpack.decode(value) | fields)
    return msgspec.json.encode(msgspec.json.decode(value) | fields)


@readers
def test_a_field_of_a_newer_writer_is_ignored(name: str) -> None:
    topic, read, _ = READERS[name]
    assert read(record_with(topic, more={"deep": [1, "x"]})) is not None


@readers
def test_a_later_schema_is_refused_with_a_sentence(name: str) -> None:
    topic, read, error = READERS[name]
    with pytest.raises(error, match=r"schema 2.*upgrade"):
        read(record_with(topic, schema=2))


@readers
def test_a_later_schema_is_said_whatever_became_of_its_fields(name: str) -> None:
    topic, read, error = READERS[name]
    with pytest.raises(error, match=r"schema 2.*upgrade"):
        read(record_with(topic, schema=2, camera_id=["now", "a", "list"], query_id={}))


@readers
@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"{}", b"\x80"], ids=repr)
def test_other_bytes_are_refused(name: str, value: bytes) -> None:
    _, read, error = READERS[name]
    with pytest.raises(error):
        read(value)


@readers
def test_a_writer_says_its_schema(name: str) -> None:
    topic, *_ = READERS[name]
    value = real_records()[topic.name]
    fields = msgspec.msgpack.decode(value) if topic in IN_MSGPACK else msgspec.json.decode(value)
    # An alert is printed as it is: its schema stands in a header
    assert fields.get("schema") == (None if topic is bus.ALERTS else 1)


def test_nested_fields_of_a_newer_writer_are_ignored() -> None:
    query = msgspec.json.decode(real_records()[bus.QUERIES.name])
    query["sensitivity"]["more"] = 1
    query["schedule"]["more"] = 1
    query["schedule"]["hours"][0]["more"] = 1
    assert unpack_query(msgspec.json.encode(query)).schedule is not None
