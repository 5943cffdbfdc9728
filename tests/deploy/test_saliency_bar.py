import doctest

from hypothesis import given
from hypothesis import strategies as st

from deploy import saliency_bar as module
from deploy.saliency_bar import BLOCKS, saliency_bar

probabilities = st.lists(st.floats(0, 1), max_size=60)


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(module).failed == 0


def test_no_probabilities_draw_nothing() -> None:
    assert saliency_bar([]) == ""


@given(probabilities, st.integers(1, 20))
def test_a_bar_is_never_wider_than_asked_for(values: list[float], width: int) -> None:
    assert len(saliency_bar(values, width)) == min(len(values), width)


@given(probabilities.filter(bool), st.integers(1, 20))
def test_the_highest_clip_stays_visible(values: list[float], width: int) -> None:
    bar = saliency_bar(values, width)
    assert max(BLOCKS.index(block) for block in bar) == round(max(values) * (len(BLOCKS) - 1))


@given(st.floats(-5, 5))
def test_any_number_has_a_block(value: float) -> None:
    assert saliency_bar([value]) in set(BLOCKS)
