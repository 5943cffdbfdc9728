import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.errors import ForeignSpaceError
from encoder.space import EmbeddingSpace
from grounding.window import Window
from grounding.window_buffer import Push, WindowBuffer
from tests.grounding.worlds import DIMS, GATE_DIMS, SESSION, SPACE, T0, embedding

CLIPS = 5  # small windows show every edge soon


def gate_vector(index: int) -> np.ndarray:
    return np.full(GATE_DIMS, index + 1, np.float32)


def push(buffer: WindowBuffer, index: int, **fields: object) -> Push:
    return buffer.push(embedding(index, {0: 0.9}, **fields), gate_vector(index))


def rows(window: Window) -> list[int | None]:
    """The clip index in each row, None where there is none."""
    assert window.gate_vectors is not None
    return [
        int(vector[0]) - 1 if seen else None
        for vector, seen in zip(window.gate_vectors, window.mask, strict=True)
    ]


def test_windows_grow_and_then_slide() -> None:
    # clips    0 1 2 3 4 5 6
    # window 4 [-------]
    # window 6     [-------]
    buffer = WindowBuffer(SPACE, GATE_DIMS, CLIPS)
    seen = [rows(push(buffer, index).window) for index in range(7)]
    assert seen[0] == [0]
    assert seen[4] == [0, 1, 2, 3, 4]
    assert seen[6] == [2, 3, 4, 5, 6]


def test_a_window_says_where_it_stands() -> None:
    buffer = WindowBuffer(SPACE, GATE_DIMS, CLIPS)
    for index in range(6):
        push(buffer, index)
    window = push(buffer, 6, seen=1.25).window
    assert (window.index, window.first_index, window.session) == (6, 2, SESSION)
    assert window.start == pytest.approx(T0 + 4.0)
    assert window.seen_until == pytest.approx(T0 + 13.25)
    assert window.vectors.shape == (CLIPS, DIMS)
    assert window.vectors.dtype == np.float32


def test_missing_clips_are_masked_rows_and_counted() -> None:
    # clips    0 1 . . 4
    buffer = WindowBuffer(SPACE, GATE_DIMS, CLIPS)
    push(buffer, 0)
    push(buffer, 1)
    late = push(buffer, 4)
    assert late.missing == 2
    assert rows(late.window) == [0, 1, None, None, 4]
    assert not late.window.vectors[2:4].any()


def test_a_session_that_begins_late_has_missing_clips_before() -> None:
    first = push(WindowBuffer(SPACE, GATE_DIMS, CLIPS), 2)
    assert first.missing == 2
    assert rows(first.window) == [None, None, 2]


def test_a_gap_longer_than_the_window_leaves_only_the_newest() -> None:
    buffer = WindowBuffer(SPACE, GATE_DIMS, CLIPS)
    push(buffer, 0)
    late = push(buffer, 1000)
    assert late.missing == 999
    assert rows(late.window) == [None] * 4 + [1000]
    assert rows(push(buffer, 1001).window) == [None] * 3 + [1000, 1001]


def test_repeated_and_older_clips_change_nothing() -> None:
    buffer = WindowBuffer(SPACE, GATE_DIMS, CLIPS)
    push(buffer, 3)
    assert push(buffer, 3).window is None
    assert push(buffer, 1).window is None
    assert buffer.ignored == {"repeated": 2}
    assert rows(push(buffer, 4).window) == [None, None, None, 3, 4]


def test_of_two_sessions_the_later_start_wins() -> None:
    buffer = WindowBuffer(SPACE, GATE_DIMS, CLIPS)
    push(buffer, 7)
    assert rows(push(buffer, 0, session=SESSION + 60_000).window) == [0]
    assert push(buffer, 8).window is None
    assert buffer.ignored == {"fenced": 1}


def test_cameras_do_not_share_windows() -> None:
    buffer = WindowBuffer(SPACE, GATE_DIMS, CLIPS)
    push(buffer, 0)
    push(buffer, 0, camera_id="gate")
    assert rows(push(buffer, 1).window) == [0, 1]
    buffer.forget("yard")
    assert rows(push(buffer, 2).window) == [None, None, 2]
    assert rows(push(buffer, 1, camera_id="gate").window) == [0, 1]


def test_a_foreign_space_is_an_error_that_names_both() -> None:
    other = EmbeddingSpace("other", DIMS, 2.0, 4, 32, 32, "area", SPACE.mean, SPACE.std)
    buffer = WindowBuffer(other, GATE_DIMS)
    with pytest.raises(ForeignSpaceError, match=f"{SPACE.id}.*{other.id}"):
        push(buffer, 0)


def test_a_vector_of_another_length_is_an_error() -> None:
    buffer = WindowBuffer(SPACE, GATE_DIMS)
    short = embedding(0)
    object.__setattr__(short, "vector", short.vector[:-1])
    with pytest.raises(ForeignSpaceError, match="16 dimensions"):
        buffer.push(short, gate_vector(0))


def test_windows_are_views_that_nobody_can_change() -> None:
    buffer = WindowBuffer(SPACE, GATE_DIMS, CLIPS)
    windows = [push(buffer, index).window for index in range(4)]
    assert np.shares_memory(windows[2].vectors, windows[3].vectors)
    with pytest.raises(ValueError, match="read-only"):
        windows[3].vectors[0] = 0


def plain_window(seen: list[int], newest: int) -> list[int | None]:
    """The slow twin: what the window of clip `newest` must hold."""
    first = max(0, newest - CLIPS + 1)
    return [index if index in seen else None for index in range(first, newest + 1)]


@given(st.lists(st.integers(1, 2 * CLIPS + 2), min_size=1, max_size=40))
def test_windows_hold_what_a_list_would_and_stay_true(steps: list[int]) -> None:
    buffer = WindowBuffer(SPACE, GATE_DIMS, CLIPS)
    indices = (np.cumsum(steps) - 1).tolist()
    windows, missing = [], 0
    for index in indices:
        pushed = push(buffer, index)
        windows.append(pushed.window)
        missing += pushed.missing
    for index, window in zip(indices, windows, strict=True):  # after all later writes
        assert rows(window) == plain_window(indices, index)
    assert missing + len(indices) == indices[-1] + 1


steps = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), max_size=25)


@given(steps, steps, steps)
def test_what_was_pushed_since_a_mark_can_be_taken_back(before, undone, after) -> None:
    made, plain = (WindowBuffer(SPACE, GATE_DIMS, CLIPS) for _ in range(2))

    def all_rows(buffer: WindowBuffer, clips) -> list[list[int | None] | None]:
        pushes = [push(buffer, index, session=SESSION + session) for session, index in clips]
        return [None if one.window is None else rows(one.window) for one in pushes]

    assert all_rows(made, before) == all_rows(plain, before)
    mark = made.mark("yard")
    all_rows(made, undone)
    made.undo(mark)
    assert all_rows(made, after) == all_rows(plain, after)
