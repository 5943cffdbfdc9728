import msgspec
import pytest

from encoder.text_request import TextRequest, unpack_text_request
from streamer.errors import RecordError


def test_a_query_record_is_read_for_its_texts_alone() -> None:
    record = {
        "query_id": "q1",
        "text": "a car",
        "version": 3,
        "negatives": ["a bus", "a tram"],
        "cameras": ["*"],
        "sensitivity": {"alerts_per_day": 1.0},
        "a field of later": {"deep": [1]},
    }
    request = unpack_text_request(msgspec.json.encode(record))
    assert request == TextRequest(
        query_id="q1", text="a car", version=3, negatives=("a bus", "a tram")
    )
    assert request.texts == ("a car", "a bus", "a tram")


def test_a_query_without_negatives_has_one_text() -> None:
    assert unpack_text_request(b'{"query_id": "q", "text": "a car"}').texts == ("a car",)


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"query_id": "q", "text": 7}', b"\xff"])
def test_anything_else_is_an_error(value: bytes) -> None:
    with pytest.raises(RecordError, match="no query record"):
        unpack_text_request(value)
