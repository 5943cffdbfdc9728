import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.errors import EmptyQueryError, LongQueryError, QueryTextError
from grounding.query_text import LANGUAGE_WARNING, MAX_CHARACTERS, check_text


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "?!", "\x00"])
def test_a_query_without_words_is_refused(text: str) -> None:
    with pytest.raises(EmptyQueryError, match="describe what should be seen"):
        check_text(text)


def test_a_very_long_query_is_refused_with_both_numbers() -> None:
    with pytest.raises(LongQueryError, match=f"10000 characters, at most {MAX_CHARACTERS}"):
        check_text("a" * 10_000)


def test_the_longest_query_is_accepted() -> None:
    assert check_text("a" * MAX_CHARACTERS).text == "a" * MAX_CHARACTERS


def test_space_and_control_characters_are_tidied() -> None:
    assert check_text("  a car\n\tdrives\x00 by ").text == "a car drives by"


def test_composed_and_decomposed_letters_are_one_text() -> None:
    assert check_text("a cafe\u0301 table").text == check_text("a café table").text


@pytest.mark.parametrize(
    "text",
    [
        "a car driving on the road",
        "car accident",
        "fire",
        "two people fighting",
        "a man wearing a red jacket enters through the back door",
        "smoke rising",
        "person lying on floor",
        "a café terrace with guests",
        "7",
    ],
)
def test_english_is_not_doubted(text: str) -> None:
    assert check_text(text).warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "ein Auto fährt auf der Straße",
        "un hombre corre por la calle",
        "une voiture roule dans la rue",
        "человек падает на лестнице",
        "一个人在街上跑步",
        "رجل يركض في الشارع",
        "un uomo cade nella strada",
        "samochód jedzie szybko ulicą miasta",
    ],
)
def test_other_languages_are_accepted_with_a_warning(text: str) -> None:
    assert check_text(text).warnings == (LANGUAGE_WARNING,)


@given(st.text(max_size=MAX_CHARACTERS + 100))
def test_any_text_is_refused_or_tidied(text: str) -> None:
    try:
        checked = check_text(text)
    except QueryTextError:
        return
    assert checked.text == check_text(checked.text).text
    assert len(checked.text) <= MAX_CHARACTERS
    assert "  " not in checked.text
