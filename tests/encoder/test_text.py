import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import BPE

from encoder.bundle import Bundle
from encoder.errors import ModelError, TextError
from encoder.session import SessionOptions
from encoder.text import TextEncoder
from tests.encoder.models import SPACE, WORDS, make_bundle, save_tokenizer

texts = st.lists(st.sampled_from(WORDS[4:]), min_size=1, max_size=60).map(" ".join)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    return TextEncoder(make_bundle(tmp_path_factory.mktemp("tiny")), SessionOptions(threads=1))


def test_a_text_becomes_a_unit_vector_and_its_tokens(encoder: TextEncoder) -> None:
    (features,) = encoder.encode(["A car on the road"])
    assert features.text == "A car on the road"
    assert features.space_id == SPACE.id
    assert features.pooled.shape == (SPACE.dims,)
    assert features.tokens.shape == (7, SPACE.dims)  # [CLS] and [SEP] too, no padding
    assert features.pooled.dtype == features.tokens.dtype == np.float32
    assert abs(np.linalg.norm(features.pooled) - 1) < 1e-6


@settings(max_examples=25)
@given(st.lists(texts, max_size=40))
def test_features_do_not_depend_on_the_other_texts(encoder: TextEncoder, several: list) -> None:
    together = encoder.encode(several)
    assert [features.text for features in together] == several
    for text, features in zip(several, together, strict=True):
        (alone,) = encoder.encode([text])
        assert 3 <= len(features.tokens) <= 40
        np.testing.assert_allclose(features.pooled, alone.pooled, atol=1e-6)
        np.testing.assert_allclose(features.tokens, alone.tokens, atol=1e-6)


def test_long_texts_are_cut_and_keep_their_end_mark(encoder: TextEncoder) -> None:
    long = "car " * 100
    (features,) = encoder.encode([long])
    (short,) = encoder.encode(["car"])
    assert len(features.tokens) == 40
    np.testing.assert_array_equal(features.tokens[-1], short.tokens[-1])
    assert encoder.tokens_cut_off(long) == 62
    assert encoder.tokens_cut_off("car " * 38) == 0


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\x00\x07"])
def test_a_text_without_words_is_refused(encoder: TextEncoder, text: str) -> None:
    with pytest.raises(TextError, match="no words"):
        encoder.encode(["a car", text])


def test_control_characters_are_no_words_to_a_tokenizer_of_bytes(bundle: Bundle) -> None:
    zero, bell, space = "\u0100", "\u0107", "\u0120"  # how such a tokenizer writes these bytes
    ids = {word: i for i, word in enumerate(["<s>", "</s>", "a", "b", zero, bell, space])}
    tokenizer = Tokenizer(BPE(ids, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    tokenizer.save(str(bundle.path("tokenizer")))
    encoder = TextEncoder(bundle, SessionOptions(threads=1))
    for text in ("\x00\x07", "  "):
        with pytest.raises(TextError, match="no words"):
            encoder.encode([text])
    assert len(encoder.encode(["ab"])[0].tokens) == 4
    assert len(encoder.encode(["a" * 100])[0].tokens) == 40


def test_words_never_seen_are_still_tokens(encoder: TextEncoder) -> None:
    (features,) = encoder.encode(["zwei Autos"])
    assert len(features.tokens) == 4


def test_a_file_that_is_no_tokenizer_is_named(bundle: Bundle) -> None:
    bundle.path("tokenizer").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json is no tokenizer"):
        TextEncoder(bundle)


def test_a_tower_with_other_outputs_is_refused(bundle: Bundle) -> None:
    bundle.path("text").write_bytes(bundle.path("video").read_bytes())
    save_tokenizer(bundle.path("tokenizer"))
    with pytest.raises(ModelError, match="wanted are"):
        TextEncoder(bundle)


def test_the_default_bundle_places_texts_by_meaning(lite: Bundle) -> None:
    encoder = TextEncoder(lite, SessionOptions(threads=1))
    crash, accident, dog = encoder.encode(
        ["two cars crash into each other", "a traffic accident", "a dog sleeps on a sofa"]
    )
    assert crash.pooled @ accident.pooled > crash.pooled @ dog.pooled + 0.1
    assert 2 < len(dog.tokens) <= 40
    assert crash.tokens.shape[1] == 512
