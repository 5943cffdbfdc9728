import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from deploy.schemas import FOLDER, TOPIC_RECORDS, TopicRecord, describe
from deploy.schemas.__main__ import main
from deploy.schemas.fields import ARRAYS, FIELDS
from encoder.embedding import ClipEmbedding, TextFeatures
from encoder.record import pack_embedding
from encoder.text_features_record import features_of, pack_text_features
from grounding.alert_state import CameraState, pack_alert_state
from grounding.blind import BlindPeriod, Covered, blind_message
from grounding.cloud_event import ALERT_SCHEMA, alert_message
from grounding.feedback_record import pack_feedback
from grounding.query_record import QueryRecord, Sensitivity, pack_query
from grounding.schedule import Hours, Schedule
from grounding.silence import Silence
from grounding.stored_alert import Feedback
from streamer import bus
from streamer.camera_record import CameraRecord, Credentials, pack_camera
from streamer.clip import Clip
from streamer.health import CameraHealth, pack_health
from streamer.record import pack_clip
from tests.conftest import ROOT
from tests.grounding.test_record import alert

records = pytest.mark.parametrize("record", TOPIC_RECORDS, ids=lambda one: one.name)

NUMBERS = np.ones(8, np.float32) / np.sqrt(np.float32(8))
TEXT = TextFeatures("a car", "space", NUMBERS, np.ones((3, 8), np.float32))


def real_records() -> dict[str, bytes]:
    """What is published on each topic, with most fields set."""
    clip = Clip("yard", 1000, 4, 8.0, 10.0, 10.0, np.zeros((4, 8, 8, 3), np.uint8), "rtp", 1, 7.0)
    embedding = ClipEmbedding("yard", 1000, 4, 8.0, 10.0, 10.0, "space", NUMBERS, "rtp", 1, 7.0)
    camera = CameraRecord(
        camera_id="yard", source="rtsp://10.0.0.7/live", credentials=Credentials(sealed="x")
    )
    query = QueryRecord(
        query_id="q",
        text="a car",
        negatives=("a bus",),
        schedule=Schedule(hours=(Hours(days=("mon",)),)),
        sensitivity=Sensitivity(threshold=0.5),
        labels={"team": "night"},
    )
    state = CameraState(
        camera_id="yard", clock=10.0, covered=Covered(1000, 4, 10.0), tracks=b"\x80\xff"
    )
    period = BlindPeriod(camera_id="yard", start=1.0, end=3.0, reason="lag", queries=("q",))
    return {
        bus.CLIPS.name: pack_clip(clip),
        bus.EMBEDDINGS.name: pack_embedding(embedding),
        bus.CAMERAS.name: pack_camera(camera),
        bus.QUERIES.name: pack_query(query),
        bus.SILENCES.name: msgspec.json.encode(
            Silence(silence_id="s", starts_at=1.0, ends_at=2.0, comment="works")
        ),
        bus.QUERY_FEATURES.name: pack_text_features(features_of("q", 1, "space", [TEXT, TEXT])),
        bus.ALERTS.name: alert_message(alert()).value or b"",
        bus.ALERT_STATE.name: pack_alert_state(state),
        bus.HEALTH.name: pack_health(CameraHealth("yard", "offline", 3.0, "timeout", "no answer")),
        bus.BLIND.name: blind_message(period).value or b"",
        bus.FEEDBACK.name: pack_feedback(
            alert(), Feedback(verdict="wrong", note="a lorry", by="me", at=4.0)
        ),
    }


def schema_of(record: TopicRecord) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / record.file).read_text())
    return schema


def shown(record: TopicRecord, value: bytes) -> dict[str, Any]:
    """The record as JSON shows it: bytes as base64."""
    decode: Callable[[bytes], Any]
    decode = msgspec.json.decode if record.encoding == "json" else msgspec.msgpack.decode
    fields: dict[str, Any] = json.loads(msgspec.json.encode(decode(value)))
    return fields


@records
def test_what_is_checked_in_is_what_is_made(record: TopicRecord) -> None:
    made = describe(record)
    assert (FOLDER / record.file).read_text() == made, "python -m deploy.schemas makes it anew"


def test_nothing_else_is_checked_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("deploy.schemas.__main__.FOLDER", tmp_path)
    main()
    written = {path.name for path in tmp_path.iterdir()}
    assert written == set(capsys.readouterr().out.split())
    assert written == {path.name for path in FOLDER.glob("*.json")}


@records
def test_a_schema_is_one_and_has_a_name_of_its_own(record: TopicRecord) -> None:
    schema = schema_of(record)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:watchword:schema:{record.name}"
    assert schema["title"] == record.topic.name


def test_every_topic_with_records_of_its_own_has_a_schema() -> None:
    described = {one.topic for one in TOPIC_RECORDS}
    assert set(bus.TOPICS) - described == {bus.DEAD_LETTERS}


@records
def test_every_field_says_what_it_is(record: TopicRecord) -> None:
    for definition in schema_of(record)["$defs"].values():
        assert definition["description"]
        for place in (*definition.get("properties", {}).values(),):
            assert place.get("description"), place
        for place in definition.get("prefixItems", ()):
            assert place["title"]
            assert place["description"]


def test_nothing_is_explained_that_is_not_there() -> None:
    known: dict[str, set[str]] = {}
    for record in TOPIC_RECORDS:
        for title, definition in schema_of(record)["$defs"].items():
            known[title] = set(definition.get("properties", ()))
    assert set(ARRAYS) <= set(known)
    assert {(t, f) for t, fields in FIELDS.items() for f in fields} <= {
        (t, f) for t, fields in known.items() for f in fields
    }


@records
def test_records_may_gain_fields_and_say_their_version(record: TopicRecord) -> None:
    schema = schema_of(record)
    for title, definition in schema["$defs"].items():
        assert definition.get("additionalProperties", True) is not False, title
    root = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    if record.topic is not bus.ALERTS:  # whose version stands in the header
        assert root["properties"]["schema"]["type"] == "integer"


@records
def test_real_records_are_as_described(record: TopicRecord) -> None:
    value = real_records()[record.topic.name]
    Draft202012Validator(schema_of(record)).validate(shown(record, value))


@records
def test_a_record_without_its_key_is_not(record: TopicRecord) -> None:
    fields = shown(record, real_records()[record.topic.name])
    del fields[record.key]
    assert not Draft202012Validator(schema_of(record)).is_valid(fields)


def test_an_alert_names_the_schema_that_is_checked_in() -> None:
    (record,) = [one for one in TOPIC_RECORDS if one.topic is bus.ALERTS]
    assert schema_of(record)["$id"] == ALERT_SCHEMA


def test_the_table_of_the_page_is_complete() -> None:
    page = (ROOT / "deploy/schemas/README.md").read_text()
    rows = {
        cells[0].strip("`"): cells[1:]
        for line in page.splitlines()
        if line.startswith("| `watchword.")
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    assert set(rows) == {topic.name for topic in bus.TOPICS}
    for record in TOPIC_RECORDS:
        key, file, encoding, *_ = rows[record.topic.name]
        assert (key, file) == (f"`{record.key}`", f"[{record.file}]({record.file})")
        assert encoding == {"json": "JSON", "msgpack": "MessagePack"}[record.encoding]
