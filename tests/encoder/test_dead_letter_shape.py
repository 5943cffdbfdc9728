import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.dead_letter_shape import MOST_DECODED, decode_fields, whole_reply
from tests.deploy.store.records import dead_letter


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode])
def test_the_fields_of_a_record_are_shown_whatever_its_kind(encode: object) -> None:
    fields = {"schema": 9, "camera_id": "yard", "shape": [8, 224, 224], "skipped": None}
    assert decode_fields(encode(fields)) == fields  # type: ignore[operator]


def test_bytes_are_counted_and_odd_numbers_written_out() -> None:
    record = {"vector": b"\0" * 1024, "start": float("nan"), "more": {1: float("inf")}}
    assert decode_fields(msgspec.msgpack.encode(record)) == {
        "vector": "(1024 bytes)",
        "start": "nan",
        "more": {"1": "inf"},
    }


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"broken",
        b"[1,2]",
        b"7",
        b"[" * 50_000,
        b'{"a":' * 10_000,
        b"\x91" * 50_000,
        b'{"\xff":1}',
        msgspec.json.encode({"much": "x" * MOST_DECODED}),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_what_is_no_small_record_has_no_fields(value: bytes) -> None:
    assert decode_fields(value) is None


def test_lists_in_lists_end_somewhere() -> None:
    value = b'{"a":' * 100 + b"1" + b"}" * 100
    assert "..." in str(decode_fields(value))


@given(st.binary(max_size=200))
def test_whatever_the_bytes_the_answer_is_json(value: bytes) -> None:
    json.dumps(decode_fields(value), allow_nan=False)


def test_a_dead_letter_shows_its_record() -> None:
    value = b'{"schema":9}'
    told = whole_reply(dead_letter(value=value)).model_dump(mode="json")
    assert told["value"] == "eyJzY2hlbWEiOjl9"
    assert told["decoded"] == {"schema": 9}
    assert told["headers"] == [{"name": "trace", "value": "YWJj"}]
    assert (told["replayable"], told["obstacle"], told["replayed_at"]) == (True, "", None)
