import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from encoder.embedding import ClipEmbedding
from encoder.errors import EmbeddingRecordError
from encoder.record import pack_embedding, unpack_embedding

seconds = st.floats(0, 4e9, allow_nan=False)
vectors = arrays(np.float32, st.integers(1, 600), elements=st.floats(-1, 1, width=32)).filter(
    lambda vector: np.linalg.norm(vector) > 0.1
)


@st.composite
def embeddings(draw: st.DrawFn) -> ClipEmbedding:
    vector = draw(vectors)
    return ClipEmbedding(
        camera_id=draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)),
        session=draw(st.integers(0, 2**53)),
        index=draw(st.integers(0, 2**40)),
        start=draw(seconds),
        end=draw(seconds),
        seen_until=draw(seconds),
        space_id=draw(st.text(max_size=40)),
        vector=vector / np.linalg.norm(vector),
        clock_source=draw(st.sampled_from(["rtp", "arrival", "file"])),
    )


def fields(embedding: ClipEmbedding) -> dict[str, object]:
    names = ("camera_id", "session", "index", "start", "end", "seen_until", "space_id")
    return {name: getattr(embedding, name) for name in (*names, "clock_source")}


@given(embeddings())
def test_an_embedding_survives_the_record(embedding: ClipEmbedding) -> None:
    read = unpack_embedding(pack_embedding(embedding))
    assert fields(read) == fields(embedding)
    assert read.vector.dtype == np.float32
    np.testing.assert_array_equal(read.vector, embedding.vector)
    read.vector[0] = 0  # it is the reader's own


@given(embeddings())
def test_half_precision_keeps_the_direction_and_the_norm(embedding: ClipEmbedding) -> None:
    packed = pack_embedding(embedding, "f2")
    read = unpack_embedding(packed)
    assert fields(read) == fields(embedding)
    assert float(read.vector @ embedding.vector) > 0.99999
    assert abs(float(np.linalg.norm(read.vector)) - 1) < 1e-6
    assert len(packed) < len(pack_embedding(embedding)) or embedding.vector.size < 2


@given(embeddings(), st.data())
def test_a_cut_record_is_refused(embedding: ClipEmbedding, data: st.DataObject) -> None:
    packed = pack_embedding(embedding)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(EmbeddingRecordError, match="no embedding"):
        unpack_embedding(packed[:cut])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(EmbeddingRecordError):
        unpack_embedding(data)


def changed(embedding: ClipEmbedding, **changes: object) -> bytes:
    record = msgspec.msgpack.decode(pack_embedding(embedding))
    return msgspec.msgpack.encode(record | changes)


@pytest.fixture
def embedding() -> ClipEmbedding:
    vector = np.array([0.6, 0.8], np.float32)
    return ClipEmbedding("door", 1, 2, 4.0, 6.0, 6.0, "tiny", vector, "file")


def test_a_later_schema_asks_for_an_upgrade(embedding: ClipEmbedding) -> None:
    with pytest.raises(EmbeddingRecordError, match=r"schema 2.*upgrade"):
        unpack_embedding(changed(embedding, schema=2, more=1))


def test_a_field_of_a_newer_writer_is_ignored(embedding: ClipEmbedding) -> None:
    assert fields(unpack_embedding(changed(embedding, more=[1]))) == fields(embedding)


@pytest.mark.parametrize(
    "changes",
    [{"clock_source": "moon"}, {"vector": b""}, {"vector": b"123"}, {"index": "1"}],
)
def test_a_record_that_is_not_exactly_one_is_refused(
    embedding: ClipEmbedding, changes: dict[str, object]
) -> None:
    with pytest.raises(EmbeddingRecordError):
        unpack_embedding(changed(embedding, **changes))
