import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.alert import Alert, alert_id
from grounding.record import alert_record, as_json, pack_alert, rfc3339, unpack_alert
from streamer.errors import RecordError
from tests.grounding.worlds import SESSION, T0


def alert(**fields: object) -> Alert:
    values: dict[str, object] = {
        "alert_id": alert_id("q0", "yard", SESSION, 5),
        "revision": 2,
        "state": "closed",
        "query_id": "q0",
        "query": "a car",
        "query_version": 1,
        "severity": "warning",
        "camera_id": "yard",
        "session": SESSION,
        "start": T0 + 10.25,
        "end": T0 + 14.0,
        "score": 0.875,
        "saliency": ((T0 + 11.0, 0.5), (T0 + 13.0, 0.25)),
        "at": T0 + 30.0,
        "bundle": "watchword-lite",
    }
    return Alert(**(values | fields))  # type: ignore[arg-type]


def test_an_alert_id_is_a_sha256_of_what_it_is_about() -> None:
    made = alert_id("q0", "yard", SESSION, 5)
    assert re.fullmatch("[0-9a-f]{64}", made)
    assert made == alert_id("q0", "yard", SESSION, 5)
    others = [("q1", "yard", SESSION, 5), ("q0", "y", SESSION, 5), ("q0", "yard", 1, 5)]
    assert made not in {alert_id(*other) for other in others}
    assert made != alert_id("q0", "yard", SESSION, 6)


def test_parts_of_an_id_do_not_run_together() -> None:
    assert alert_id("a", "bc", 1, 2) != alert_id("ab", "c", 1, 2)


def test_an_event_is_named_by_alert_and_revision() -> None:
    assert alert().event_id == f"{alert().alert_id}.2"


def test_the_record_of_a_file_has_offsets() -> None:
    record = as_json(alert_record(alert(), camera="bikes.mp4", source_start=T0))
    assert record["camera"] == "bikes.mp4"
    assert record["camera_id"] == "yard"
    assert (record["start_seconds"], record["end_seconds"]) == (10.25, 14.0)
    assert record["saliency"] == [(11.0, 0.5), (13.0, 0.25)]
    assert record["start"] == "2023-11-14T22:13:30.250000Z"
    assert record["bundle"] == "watchword-lite"


def test_the_record_of_a_camera_has_none() -> None:
    record = as_json(alert_record(alert()))
    assert record["start_seconds"] is None
    assert record["camera"] == "yard"
    assert record["saliency"][0] == (T0 + 11.0, 0.5)


def test_the_topic_carries_json_with_the_designed_names() -> None:
    fields = json.loads(pack_alert(alert()))
    assert {"id", "state", "query", "query_id", "camera", "start", "end", "score"} <= set(fields)
    assert {"saliency", "bundle", "query_version", "severity", "revision"} <= set(fields)


seconds = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)


@given(seconds, seconds, st.floats(0, 1), st.lists(st.tuples(seconds, st.floats(0, 1))))
def test_packing_keeps_an_alert(start: float, end: float, score: float, saliency: list) -> None:
    made = alert(start=start, end=end, score=score, saliency=tuple(saliency))
    back = unpack_alert(pack_alert(made))
    assert (back.start, back.end) == pytest.approx((start, end), abs=1e-6)
    assert back.score == pytest.approx(score, abs=1e-6)
    assert back.event_id == made.event_id
    assert [at for at, _ in back.saliency] == pytest.approx([at for at, _ in saliency])


@pytest.mark.parametrize("packed", [b"", b"{}", b"[]", pack_alert(alert()).replace(b"2023-", b"x")])
def test_anything_else_is_a_record_error(packed: bytes) -> None:
    with pytest.raises(RecordError, match="no alert record"):
        unpack_alert(packed)


def test_times_are_rfc3339() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
