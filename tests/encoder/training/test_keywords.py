from hypothesis import given
from hypothesis import strategies as st

from encoder.training.keywords import LONGEST, common_keywords, phrases_of


def test_a_caption_falls_apart_at_its_function_words() -> None:
    caption = "A child in a pink dress is climbing up a set of stairs ."
    assert phrases_of(caption) == ["child", "pink dress", "climbing", "set", "stairs"]


@given(st.text(alphabet="abc the,. ", max_size=60))
def test_no_phrase_is_empty_or_longer_than_the_limit(caption: str) -> None:
    for phrase in phrases_of(caption):
        assert 1 <= len(phrase.split()) <= LONGEST


def test_the_commonest_phrases_are_kept_with_their_pictures() -> None:
    captions = [["a dog on grass", "the dog"], ["a dog"], ["grass"], ["a rare bird"]]
    keywords = common_keywords(captions, limit=2)
    assert keywords.texts == ("dog", "grass")
    assert keywords.of_picture == ((0, 1), (0,), (1,), ())
