import json
from datetime import datetime
from urllib.parse import unquote, urlsplit

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from grounding.cloud_event import ALERT_SCHEMA, alert_message, event_source, tracked_state
from grounding.record import unpack_alert
from streamer.bus import ALERTS, Message
from streamer.errors import RecordError
from tests.grounding.test_record import alert


def read(message: Message) -> BaseCloudEvent:
    """As a client reads it that knows nothing of Watchword."""
    assert message.value is not None
    return from_binary(
        KafkaMessage(dict(message.headers), message.key, message.value), JSONFormat()
    )


def test_a_client_reads_what_happened_where_and_when() -> None:
    made = alert()
    event = read(alert_message(made))
    assert event.get_specversion() == "1.0"
    assert event.get_id() == made.event_id == f"{made.alert_id}.2"
    assert event.get_source() == "/watchword/cameras/yard"
    assert event.get_type() == "watchword.alert.closed"
    assert event.get_subject() == "q0"
    assert event.get_time() == datetime.fromisoformat("2023-11-14T22:13:50+00:00")
    assert event.get_dataschema() == ALERT_SCHEMA
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == json.loads(alert_message(made).value or b"")


@pytest.mark.parametrize("state", ["opened", "updated", "closed"])
def test_the_type_says_the_state(state: str) -> None:
    assert read(alert_message(alert(state=state))).get_type() == f"watchword.alert.{state}"


def test_it_lies_on_the_alerts_topic_under_its_camera() -> None:
    message = alert_message(alert())
    assert (message.topic, message.key) == (ALERTS.name, "yard")
    assert unpack_alert(message.value or b"") == alert()


def test_headers_stand_once_each_and_attributes_have_legal_names() -> None:
    names = [name for name, _ in alert_message(alert(), b"state").headers]
    assert len(set(names)) == len(names)
    for name in names:
        attribute = name.removeprefix("ce_")
        assert name in {"content-type", "tracked"} or (attribute.isalnum() and attribute.islower())


@given(st.binary(max_size=200))
def test_the_trackers_state_stays_beside_it_and_stops_no_client(state: bytes) -> None:
    message = alert_message(alert(), state)
    assert tracked_state(message.headers) == state
    assert read(message).get_id() == alert().event_id


def test_an_event_without_the_state_has_none() -> None:
    assert tracked_state(alert_message(alert()).headers) == b""


def test_a_state_that_is_no_base64_is_a_record_error() -> None:
    with pytest.raises(RecordError, match="no base64"):
        tracked_state([("tracked", b"\x80state")])


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=63)


@given(names, names)
def test_any_id_comes_back_from_source_and_subject(camera_id: str, query_id: str) -> None:
    event = read(alert_message(alert(camera_id=camera_id, query_id=query_id)))
    assert event.get_subject() == query_id
    source = event.get_source()
    assert source.isascii()
    parts = urlsplit(source)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
    before, _, last = parts.path.rpartition("/")
    assert before == "/watchword/cameras"
    assert unquote(last) == camera_id


def test_a_source_is_a_uri_reference() -> None:
    assert event_source("a b/ü?#%") == "/watchword/cameras/a%20b%2F%C3%BC%3F%23%25"
