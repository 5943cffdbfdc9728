import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.locate import curve, inside, locate
from grounding.moment import Span
from grounding.window import Window
from tests.grounding.worlds import SESSION, T0, query


def window(mask: list[bool], first_index: int = 10, seen: float = 2.0) -> Window:
    clips = len(mask)
    start = T0 + 2.0 * first_index
    return Window(
        camera_id="yard",
        session=SESSION,
        index=first_index + clips - 1,
        first_index=first_index,
        start=start,
        seen_until=start + 2.0 * (clips - 1) + seen,
        clip_seconds=2.0,
        vectors=np.zeros((clips, 4), np.float32),
        mask=np.array(mask),
    )


def found(start: float, end: float, made: Window):
    saliency = curve(made, np.linspace(0, 1, len(made.mask)))
    return locate(Span(start, end, 0.9), made, query("q7", version=3), 0.42, saliency)


def test_a_span_is_placed_on_the_clock_without_rounding() -> None:
    moment = found(0.25, 0.31, window([True] * 10))
    assert moment.start == pytest.approx(T0 + 20 + 5.0, abs=1e-6)
    assert moment.end == pytest.approx(T0 + 20 + 6.2, abs=1e-6)


def test_a_moment_carries_its_query_its_window_and_its_score() -> None:
    moment = found(0.0, 0.5, window([True] * 4))
    assert (moment.query_id, moment.query_version, moment.score) == ("q7", 3, 0.42)
    assert (moment.camera_id, moment.session, moment.window_index) == ("yard", SESSION, 13)
    assert moment.seen_until == T0 + 28


def test_nothing_ends_after_the_pictures_did() -> None:
    made = window([True] * 4, seen=0.7)
    moment = found(0.5, 1.0, made)
    assert moment.end == made.seen_until == pytest.approx(T0 + 26.7)


def test_a_span_beyond_the_last_picture_becomes_the_last_half_second() -> None:
    moment = found(0.99, 1.0, window([True] * 4, seen=0.7))
    assert moment.end - moment.start == pytest.approx(0.5, abs=1e-6)
    assert moment.end == pytest.approx(T0 + 26.7)


def test_a_short_span_grows_around_its_middle() -> None:
    moment = found(0.5, 0.5, window([True] * 10))
    assert (moment.start - T0, moment.end - T0) == pytest.approx((29.75, 30.25), abs=1e-6)


def test_the_curve_has_the_clips_that_were_seen() -> None:
    made = window([True, False, True])
    points = curve(made, np.array([0.1, 0.2, 0.3]))
    assert [round(at - T0, 3) for at, _ in points] == [21.0, 25.0]
    assert [value for _, value in points] == [0.1, 0.3]


@given(
    st.floats(-5, 25), st.floats(0, 20), st.floats(0, 10), st.floats(0.01, 10), st.floats(0.1, 3)
)
def test_moments_stay_inside_and_are_long_enough(
    start: float, length: float, low: float, room: float, shortest: float
) -> None:
    high = low + room
    left, right = inside((start, start + length), (low, high), shortest)
    assert low - 1e-9 <= left <= right <= high + 1e-9
    assert right - left >= min(shortest, room) - 1e-9
