import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.training.footage import Event, Footage
from grounding.training.timeline import (
    CLIP_SECONDS,
    FRAMES_PER_CLIP,
    Segment,
    relevance,
    rows_of,
    windows_of,
)

FALL = Footage(
    "fall",
    "s",
    "g",
    "video",
    8.0,
    32,
    row=100,
    events=(Event("fall", 1.0, 2.0), Event("lying", 2.0, 4.0)),
)
STREET = Footage("street", "s", "h", "video", 5.0, 50, row=200, shows=("traffic",))
PICTURE = Footage("picture", "s", "i", "still", 1.0, 1, row=300)


def test_a_footage_played_once_shows_its_frames_in_order():
    rows = rows_of([Segment(FALL, 0.0, 4.0, 0.0, 4.0, loop=False)], 2)
    assert rows.shape == (2, FRAMES_PER_CLIP)
    assert (np.diff(rows.ravel()) >= 0).all()
    assert rows[0, 0] == 101  # the frame at 0.125 s of eight a second
    assert rows[-1, -1] == 131


def test_played_beyond_its_end_it_stays_on_the_last_frame():
    rows = rows_of([Segment(FALL, 0.0, 10.0, 0.0, 4.0, loop=False)], 5)
    assert (rows[2:] == 131).all()


def test_a_loop_swings_to_and_fro():
    rows = rows_of([Segment(FALL, 0.0, 4.0, 1.0, 2.0, loop=True)], 2).ravel()
    assert rows.min() >= 108
    assert rows.max() <= 116
    there, back = rows[:4], rows[4:8][::-1]
    np.testing.assert_allclose(there, back, atol=1)


def test_a_still_is_one_row():
    rows = rows_of([Segment(PICTURE, 0.0, 4.0, 0.0, 1.0, loop=True)], 2)
    assert (rows == 300).all()


def test_segments_may_begin_inside_a_clip():
    segments = [
        Segment(PICTURE, 0.0, 1.0, 0.0, 1.0, loop=True),
        Segment(STREET, 1.0, 2.0, 0.0, 10.0, loop=False),
    ]
    rows = rows_of(segments, 1)[0]
    assert (rows[:4] == 300).all()
    assert (rows[4:] >= 200).all()
    assert (rows[4:] < 205).all()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([FALL, STREET, PICTURE]),
            st.floats(0.2, 9.0),
            st.booleans(),
            st.floats(0, 3),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_every_row_belongs_to_the_footage_shown_then(
    parts: list[tuple[Footage, float, bool, float]],
):
    segments, start = [], 0.0
    for footage, lasts, loop, phase in parts:
        end = start + lasts
        segments.append(Segment(footage, start, end, 0.0, footage.seconds, loop, phase))
        start = end
    clips = max(1, int(start / CLIP_SECONDS))
    rows = rows_of(segments, clips).ravel()
    times = (np.arange(len(rows)) + 0.5) * CLIP_SECONDS / FRAMES_PER_CLIP
    for row, time in zip(rows, times, strict=True):
        shown = [s.footage for s in segments if s.start <= time][-1]
        assert shown.row <= row < shown.row + shown.frames


def test_events_are_placed_where_they_are_played():
    segments = [
        Segment(STREET, 0.0, 5.0, 0.0, 10.0, loop=True),
        Segment(FALL, 5.0, 9.0, 0.0, 4.0, loop=False),
    ]
    assert windows_of(segments, "fall", 20.0) == ((6.0, 7.0),)
    assert windows_of(segments, "lying", 20.0) == ((7.0, 9.0),)
    assert windows_of(segments, "traffic", 20.0) == ((0.0, 5.0),)
    assert windows_of(segments, "fire", 20.0) == ()


def test_what_is_played_late_is_seen_from_where_it_starts():
    segments = [Segment(FALL, 0.0, 3.0, 0.0, 4.0, loop=False, phase=1.5)]
    assert windows_of(segments, "fall", 3.0) == ((0.0, 0.5),)


def test_a_last_frame_that_stays_still_shows_its_event():
    segments = [Segment(FALL, 0.0, 10.0, 2.0, 4.0, loop=False)]
    assert windows_of(segments, "lying", 10.0) == ((0.0, 10.0),)


def test_neighbouring_pieces_make_one_window():
    segments = [
        Segment(STREET, 0.0, 5.0, 0.0, 10.0, loop=True),
        Segment(STREET, 5.0, 8.0, 3.0, 10.0, loop=True),
    ]
    assert windows_of(segments, "traffic", 8.0) == ((0.0, 8.0),)


def test_windows_end_with_the_stream():
    segments = [Segment(STREET, 0.0, 50.0, 0.0, 10.0, loop=True)]
    assert windows_of(segments, "traffic", 8.0) == ((0.0, 8.0),)


@pytest.mark.parametrize(("low", "seen"), [(1.0, True), (0.0, False)])
def test_a_loop_counts_if_most_of_it_is_the_event(low: float, seen: bool):
    segments = [Segment(FALL, 0.0, 6.0, low, low + 1.0, loop=True)]
    assert bool(windows_of(segments, "fall", 6.0)) is seen


@given(st.floats(0, 20), st.floats(0.01, 20))
def test_relevance_adds_up_to_the_windows_length(start: float, lasts: float):
    share = relevance([(start, start + lasts)], 30)
    assert (share >= 0).all()
    assert (share <= 1).all()
    assert share.sum() * CLIP_SECONDS == pytest.approx(lasts, abs=1e-4)


def test_half_a_clip_counts_half():
    np.testing.assert_allclose(relevance([(1.0, 5.0)], 4), [0.5, 1.0, 0.5, 0.0])
