import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import RecordError
from streamer.schema import Encoding, RecordDecoder


class Note(msgspec.Struct, frozen=True):
    words: str
    schema: int = 1
    pixels: bytes = b""


class OwnError(Exception):
    pass


ENCODINGS: tuple[Encoding, ...] = ("json", "msgpack")
READERS = {encoding: RecordDecoder(Note, "note", encoding) for encoding in ENCODINGS}
encodings = pytest.mark.parametrize("encoding", ENCODINGS)


def packed(encoding: Encoding, **fields: object) -> bytes:
    encode = msgspec.json.encode if encoding == "json" else msgspec.msgpack.encode
    return encode({"words": "hello"} | fields)


@encodings
def test_a_record_is_read(encoding: Encoding) -> None:
    assert READERS[encoding].decode(packed(encoding, schema=1)) == Note("hello")


@encodings
def test_a_record_that_names_no_schema_has_the_first(encoding: Encoding) -> None:
    assert READERS[encoding].decode(packed(encoding)).schema == 1


@encodings
@given(
    extra=st.dictionaries(
        st.text(max_size=9).filter(lambda name: name not in Note.__struct_fields__),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_fields_of_a_newer_writer_are_ignored(encoding: Encoding, extra: dict[str, object]) -> None:
    assert READERS[encoding].decode(packed(encoding, **extra)) == Note("hello")


@encodings
@pytest.mark.parametrize("changes", [{}, {"words": 7}, {"words": None}], ids=str)
def test_a_later_schema_is_refused_whatever_else_it_holds(
    encoding: Encoding, changes: dict[str, object]
) -> None:
    with pytest.raises(RecordError, match=r"A note has the schema 2.*reads up to 1: upgrade"):
        READERS[encoding].decode(packed(encoding, schema=2, **changes))


@encodings
@pytest.mark.parametrize("schema", [0, -1])
def test_a_schema_before_the_first_is_refused(encoding: Encoding, schema: int) -> None:
    with pytest.raises(RecordError, match="the first one is 1"):
        READERS[encoding].decode(packed(encoding, schema=schema))


@encodings
@pytest.mark.parametrize("schema", ["1", None, 1.5, [1]], ids=str)
def test_a_schema_that_is_no_number_is_refused(encoding: Encoding, schema: object) -> None:
    with pytest.raises(RecordError, match="no note"):
        READERS[encoding].decode(packed(encoding, schema=schema))


@encodings
def test_a_reader_of_two_schemas_reads_both(encoding: Encoding) -> None:
    reader = RecordDecoder(Note, "note", encoding, schema=2)
    assert [reader.decode(packed(encoding, schema=one)).schema for one in (1, 2)] == [1, 2]
    with pytest.raises(RecordError, match="schema 3"):
        reader.decode(packed(encoding, schema=3))


@encodings
@given(value=st.binary(max_size=64))
def test_any_other_bytes_are_a_record_error(encoding: Encoding, value: bytes) -> None:
    with pytest.raises(RecordError):
        READERS[encoding].decode(value)


NO_UTF8 = [b'{"words": "\xff"}', b'{"schema": 1, "words": "\xc3("}']
DEEP = b'{"words": "", "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
DEEP_MSGPACK = b"\x82\xa5words\xa0\xa4more" + b"\x91" * 100_000 + b"\x01"


@pytest.mark.parametrize("value", [*NO_UTF8, DEEP], ids=["text", "text after", "deep"])
def test_what_json_readers_stumble_over_is_a_record_error(value: bytes) -> None:
    with pytest.raises(RecordError, match="no note"):
        READERS["json"].decode(value)


@pytest.mark.parametrize("value", [b"\x81\xa5words\xa1\xff", DEEP_MSGPACK], ids=["text", "deep"])
def test_what_msgpack_readers_stumble_over_is_a_record_error(value: bytes) -> None:
    with pytest.raises(RecordError, match="no note"):
        READERS["msgpack"].decode(value)


def test_errors_are_the_owners() -> None:
    reader = RecordDecoder(Note, "note", error=OwnError)
    for value in (b"", json.dumps({"words": "", "schema": 2}).encode()):
        with pytest.raises(OwnError, match="note"):
            reader.decode(value)
