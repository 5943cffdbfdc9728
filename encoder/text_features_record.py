"""Text features of a query's version as bytes on the `query-features` topic."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from encoder.embedding import TextFeatures
from encoder.errors import FeaturesRecordError
from streamer.schema import RecordDecoder

_FLOAT = np.dtype("<f4")


@dataclass(frozen=True, slots=True, eq=False)
class QueryFeatures:
    """What a version of a query means in an embedding space, or why it cannot be encoded.

    Exactly one of `features` and `problem` is set; the problem is a sentence for the query's owner.
    """

    query_id: str
    version: int
    space_id: str
    features: TextFeatures | None = None
    negatives: tuple[TextFeatures, ...] = field(default=())
    problem: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that were encoded, the query's own first."""
        if self.features is None:
            return ()
        return (self.features.text, *(negative.text for negative in self.negatives))


class EncodedText(msgspec.Struct, frozen=True, array_like=True):
    """A text and its features, as an array."""

    text: str
    pooled: memoryview  # little-endian float32 [D]; a view of the record, which is not copied
    tokens: memoryview  # [N, D]


class FeaturesRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The features of a version of a query on the bus, or its problem."""

    schema: int = 1
    query_id: str
    version: int
    space_id: str
    texts: list[EncodedText] = []  # the query's own text, then its negatives
    problem: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = RecordDecoder(FeaturesRecord, "text features", "msgpack", FeaturesRecordError)


def pack_text_features(features: QueryFeatures) -> bytes:
    """The record of a version's features, or of its problem."""
    texts = [] if features.features is None else [features.features, *features.negatives]
    return _encoder.encode(
        FeaturesRecord(
            query_id=features.query_id,
            version=features.version,
            space_id=features.space_id,
            texts=[_packed(text) for text in texts],
            problem=features.problem,
        )
    )


def unpack_text_features(value: bytes) -> QueryFeatures:
    """The features of a record; their numbers are views of `value`.

    Raises FeaturesRecordError if the bytes are no record, or one of a later schema.
    """
    record = _decoder.decode(value)
    try:
        features = [_unpacked(text, record.space_id) for text in record.texts]
    except ValueError as error:
        raise FeaturesRecordError(f"The bytes are no text features: {error}.") from error
    if bool(features) == bool(record.problem):
        raise FeaturesRecordError(
            f"the text features of query {record.query_id} hold {len(features)} texts and the "
            f"problem {record.problem!r}: exactly one of the two is needed"
        )
    return QueryFeatures(
        query_id=record.query_id,
        version=record.version,
        space_id=record.space_id,
        features=features[0] if features else None,
        negatives=tuple(features[1:]),
        problem=record.problem,
    )


def features_of(
    query_id: str, version: int, space_id: str, encoded: Sequence[TextFeatures]
) -> QueryFeatures:
    """The features of a version whose texts were encoded, the query's own first."""
    return QueryFeatures(query_id, version, space_id, encoded[0], tuple(encoded[1:]))


def _packed(text: TextFeatures) -> EncodedText:
    pooled, tokens = (array.astype(_FLOAT).tobytes() for array in (text.pooled, text.tokens))
    return EncodedText(text.text, memoryview(pooled), memoryview(tokens))


def _unpacked(text: EncodedText, space_id: str) -> TextFeatures:
    # The pooled vector meets every window that the gate lets pass: a copy of it is aligned.
    pooled = np.frombuffer(text.pooled, _FLOAT).astype(np.float32)
    tokens = np.frombuffer(text.tokens, _FLOAT).reshape(-1, max(1, len(pooled)))
    if not len(pooled) or not len(tokens):
        raise ValueError(f"the features of {text.text!r} are cut off")
    return TextFeatures(text.text, space_id, pooled, tokens)
