import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.embedding import TextFeatures
from encoder.errors import FeaturesRecordError
from encoder.text_features_record import (
    QueryFeatures,
    features_of,
    pack_text_features,
    unpack_text_features,
)


def text(words: str, tokens: int = 3, dims: int = 8, seed: int = 0) -> TextFeatures:
    numbers = np.random.default_rng(seed)
    pooled = numbers.standard_normal(dims).astype(np.float32)
    return TextFeatures(
        words, "space", pooled, numbers.standard_normal((tokens, dims)).astype(np.float32)
    )


@given(st.text(), st.lists(st.integers(1, 40), max_size=3), st.integers(1, 99))
def test_features_come_back_to_the_bit(words: str, negatives: list[int], version: int) -> None:
    texts = [text(words), *(text(f"not {n}", tokens=n, seed=n) for n in negatives)]
    packed = pack_text_features(features_of("q1", version, "space", texts))
    read = unpack_text_features(packed)
    assert (read.query_id, read.version, read.space_id) == ("q1", version, "space")
    assert (read.problem, read.texts) == ("", tuple(one.text for one in texts))
    assert read.features is not None
    for one, other in zip(texts, [read.features, *read.negatives], strict=True):
        assert other.space_id == "space"
        np.testing.assert_array_equal(one.pooled, other.pooled)
        np.testing.assert_array_equal(one.tokens, other.tokens)


def test_tokens_are_not_copied() -> None:
    read = unpack_text_features(pack_text_features(features_of("q", 1, "space", [text("a car")])))
    assert read.features is not None
    assert not read.features.tokens.flags.owndata
    assert not read.features.tokens.flags.writeable


def test_a_problem_travels_in_place_of_features() -> None:
    packed = pack_text_features(QueryFeatures("q1", 2, "space", problem="no words"))
    read = unpack_text_features(packed)
    assert (read.query_id, read.version, read.problem) == ("q1", 2, "no words")
    assert (read.features, read.negatives, read.texts) == (None, (), ())


GOOD = msgspec.msgpack.decode(pack_text_features(features_of("q", 1, "space", [text("a")])))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"texts": []},
        {"problem": "both"},
        {"texts": [["a", b"\0" * 32, b"\0" * 31]]},
        {"texts": [["a", b"\0" * 32, b"\0" * 36]]},
        {"texts": [["a", b"", b""]]},
        {"texts": [["a", b"\0" * 32, b""]]},
        {"version": "1"},
    ],
)
def test_a_record_that_says_something_else_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises(FeaturesRecordError):
        unpack_text_features(msgspec.msgpack.encode(GOOD | change))


@given(st.binary(max_size=64))
def test_bytes_that_are_no_record_are_an_error(value: bytes) -> None:
    with pytest.raises(FeaturesRecordError):
        unpack_text_features(value)
