"""How many clips are worked off together."""

from hypothesis import given
from hypothesis import strategies as st

from grounding.portion import MOST, SECONDS, USUAL, Portion


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def after(records: int, seconds: float) -> int:
    clock = Clock()
    portion = Portion(clock)
    with portion.measured(records):
        clock.now += seconds
    return portion.size


def test_before_anything_was_measured():
    assert Portion().size == USUAL


@given(records=st.integers(1, 256), seconds=st.floats(0.0, 1000.0))
def test_what_is_worked_off_next_takes_a_second_at_most_or_is_one_clip(
    records: int, seconds: float
):
    size = after(records, seconds)
    assert 1 <= size <= MOST
    assert size == 1 or size * seconds / records <= SECONDS * (1 + 1e-9)


def test_clips_that_cost_nothing_come_many_at_a_time():
    assert after(16, 0.0) == MOST
    assert after(16, 0.5) == 32
    assert after(16, 160.0) == 1
