"""Embeddings as bytes on the `embeddings` topic."""

from typing import Literal

import msgspec
import numpy as np

from encoder.embedding import ClipEmbedding
from encoder.errors import EmbeddingRecordError
from streamer.frame import ClockSource
from streamer.schema import RecordDecoder

VectorType = Literal["f4", "f2"]  # little-endian float32 or float16


class EmbeddingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An embedding on the bus; `vector` holds D numbers of `vector_type`."""

    schema: int = 1
    camera_id: str
    session: int
    index: int
    start: float
    end: float
    seen_until: float
    space_id: str
    clock_source: ClockSource
    vector_type: VectorType
    vector: bytes
    skipped: int = 0
    watched_since: float = 0.0


_encoder = msgspec.msgpack.Encoder()
_decoder = RecordDecoder(EmbeddingRecord, "embedding", "msgpack", EmbeddingRecordError)


def pack_embedding(embedding: ClipEmbedding, vector_type: VectorType = "f4") -> bytes:
    """The record of an embedding; "f2" halves it at a cosine of more than 0.99999 to the vector."""
    return _encoder.encode(
        EmbeddingRecord(
            camera_id=embedding.camera_id,
            session=embedding.session,
            index=embedding.index,
            start=embedding.start,
            end=embedding.end,
            seen_until=embedding.seen_until,
            space_id=embedding.space_id,
            clock_source=embedding.clock_source,
            vector_type=vector_type,
            vector=embedding.vector.astype(f"<{vector_type}").tobytes(),
            skipped=embedding.skipped,
            watched_since=embedding.watched_since,
        )
    )


def unpack_embedding(data: bytes) -> ClipEmbedding:
    """The embedding of a record, its vector float32 [D] of norm 1.

    Raises EmbeddingRecordError if the bytes are no record, or one of a later schema.
    """
    record = _decoder.decode(data)
    size = np.dtype(record.vector_type).itemsize
    if not record.vector or len(record.vector) % size:
        raise EmbeddingRecordError(f"an embedding of {len(record.vector)} bytes is cut off")
    vector = np.frombuffer(record.vector, f"<{record.vector_type}").astype(np.float32)
    if record.vector_type == "f2":
        vector /= np.linalg.norm(vector)  # rounding moved it off the unit sphere
    return ClipEmbedding(
        camera_id=record.camera_id,
        session=record.session,
        index=record.index,
        start=record.start,
        end=record.end,
        seen_until=record.seen_until,
        space_id=record.space_id,
        vector=vector,
        clock_source=record.clock_source,
        skipped=record.skipped,
        watched_since=record.watched_since,
    )
