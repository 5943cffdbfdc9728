from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.training.concepts import CONCEPTS, EVENTS
from grounding.training.phrases import (
    ANYWHERE,
    LOOK_ALIKES,
    concepts_with_phrases,
    phrases_of,
)
from grounding.training.pools import ASKED
from grounding.training.words import content_words, foreign_to

NAMED = (*CONCEPTS, *ANYWHERE)


@pytest.mark.parametrize("concept", NAMED)
def test_every_event_and_look_alike_has_thirty_phrasings(concept: str):
    assert len(phrases_of(concept)) >= 30
    assert len(set(phrases_of(concept))) == len(phrases_of(concept))


@pytest.mark.parametrize("concept", NAMED)
def test_a_third_of_the_phrasings_is_held_out(concept: str):
    train, held = set(phrases_of(concept, "train")), set(phrases_of(concept, "held_out"))
    assert not train & held
    assert train | held == set(phrases_of(concept))
    assert abs(len(held) - len(phrases_of(concept)) / 3) <= 1


@pytest.mark.parametrize("concept", EVENTS)
def test_users_may_type_keywords_as_well_as_sentences(concept: str):
    lengths = [len(text.split()) for text in phrases_of(concept, "train")]
    assert sum(length <= 3 for length in lengths) >= 5
    assert sum(length >= 5 for length in lengths) >= 5


def test_no_phrasing_means_two_concepts():
    for first, second in combinations(NAMED, 2):
        assert not set(phrases_of(first)) & set(phrases_of(second)), (first, second)


def test_every_event_has_look_alikes_with_phrases():
    assert set(LOOK_ALIKES) == set(EVENTS)
    known = set(concepts_with_phrases())
    assert all(name in known for names in LOOK_ALIKES.values() for name in names)
    assert set(ASKED) <= known


def test_events_come_first():
    assert concepts_with_phrases()[: len(EVENTS)] == tuple(sorted(EVENTS))


def test_endings_and_synonyms_are_one_word():
    assert content_words("Two men are fighting") == content_words("people who fought")
    assert content_words("running dogs") == content_words("the puppy runs")
    assert content_words("a car on the highway") == content_words("vehicles in the street")


def test_function_words_mean_nothing():
    assert content_words("there is one of the other") == frozenset()


def test_a_text_without_content_is_never_called_absent():
    assert not foreign_to(frozenset(), frozenset({"dog"}))


def test_a_keyword_must_share_nothing():
    assert foreign_to(content_words("red car"), content_words("a dog on the beach"))
    assert not foreign_to(content_words("red car"), content_words("a truck in the snow"))


def test_of_a_sentence_a_third_may_be_shared():
    sentence = content_words("a man rides a horse along the wooden fence")
    assert foreign_to(sentence, content_words("a woman sits"))
    assert not foreign_to(sentence, content_words("a horse with a rider"))


@given(st.lists(st.sampled_from(phrases_of("fire") + phrases_of("traffic")), min_size=1))
def test_no_text_is_foreign_to_a_vocabulary_that_has_all_its_words(texts: list[str]):
    vocabulary = frozenset[str]().union(*(content_words(text) for text in texts))
    assert not foreign_to(content_words(texts[0]), vocabulary)
