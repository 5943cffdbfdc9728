"""The gap and jump rules. Each test's comment draws the stamps; | begins a session."""

import pytest

from streamer.frame import Frame
from streamer.timeline import Placed, Timeline
from tests.streamer.media import START, frame_at, frames_at


def place(frames: list[Frame]) -> tuple[list[Placed], Timeline]:
    timeline = Timeline()
    placed = [each for frame in frames for each in timeline.push(frame)]
    return placed + timeline.flush(), timeline


def times(placed: list[Placed]) -> list[float]:
    return [round(each.at - START, 3) for each in placed]


def beginnings(placed: list[Placed]) -> list[tuple[int, str]]:
    return [(i, each.begins) for i, each in enumerate(placed) if each.begins]


def steady(count: int, start: float = 0.0) -> list[float]:
    return [round(start + i * 0.1, 3) for i in range(count)]


def test_a_steady_stream_is_one_session():
    placed, _ = place(frames_at(steady(10)))
    assert times(placed) == steady(10)
    assert beginnings(placed) == [(0, "first")]


def test_a_forward_jump_of_five_seconds_stays():
    # | 0.0 0.1 .. 0.9 5.9 6.0
    placed, _ = place(frames_at([*steady(10), 5.9, 6.0]))
    assert times(placed)[-2:] == [5.9, 6.0]
    assert beginnings(placed) == [(0, "first")]


def test_one_jump_of_more_is_restamped():
    # | 0.0 .. 0.9 [100] 1.1 1.2
    placed, timeline = place(frames_at([*steady(10), 100.0, 1.1, 1.2]))
    assert times(placed) == pytest.approx([*steady(10), 1.0, 1.1, 1.2], abs=0.01)
    assert timeline.restamped == 1
    assert beginnings(placed) == [(0, "first")]


def test_two_jumps_running_are_restamped():
    placed, timeline = place(frames_at([*steady(10), 100.0, 100.1, 1.2, 1.3]))
    assert timeline.restamped == 2
    assert beginnings(placed) == [(0, "first")]
    assert times(placed) == sorted(set(times(placed)))


def test_three_jumps_running_begin_a_session():
    # | 0.0 .. 0.9 | 100.0 100.1 100.2 100.3
    placed, timeline = place(frames_at([*steady(10), *steady(4, 100.0)]))
    assert beginnings(placed) == [(0, "first"), (10, "clock_jump")]
    assert times(placed) == pytest.approx([*steady(10), *steady(4, 100.0)])
    assert timeline.restamped == 0


def test_a_jump_back_begins_a_session_behind_the_last_frame():
    # | 50.0 .. 50.9 | 0.0 0.1 ... becomes 51.0 51.1 ...
    placed, _ = place(frames_at([*steady(10, 50.0), *steady(10)]))
    assert beginnings(placed) == [(0, "first"), (10, "clock_jump")]
    assert times(placed)[10:] == pytest.approx(steady(10, 51.0), abs=0.01)


def test_a_held_jump_at_the_end_is_not_lost():
    placed, timeline = place(frames_at([*steady(10), 100.0]))
    assert len(placed) == 11
    assert timeline.restamped == 1


def test_a_small_step_back_is_slewed():
    # 0.0 .. 2.9 then 2.0 2.1 ...: half speed until the stamps catch up, then as stamped
    placed, _ = place(frames_at([*steady(30), *steady(40, 2.0)]))
    at = times(placed)
    assert at == sorted(set(at))
    assert at[30] == pytest.approx(2.95, abs=0.02)
    assert at[-1] == pytest.approx(5.9, abs=0.01)
    assert beginnings(placed) == [(0, "first")]


def test_swapped_stamps_do_not_drift():
    # B-frames with decoding order's stamps: 1 3 2 4 6 5 7 9 8 ...
    order = [base + step for base in range(0, 300, 3) for step in (1, 3, 2)]
    placed, _ = place(frames_at([0.1 * i for i in order]))
    at = times(placed)
    assert at == sorted(set(at))
    assert at[-1] == pytest.approx(0.1 * 300, abs=0.3)


def test_equal_stamps_still_move_on():
    placed, _ = place(frames_at([0.0, 0.1, 0.1, 0.1, 0.1]))
    assert times(placed) == sorted(set(times(placed)))


def test_a_live_stall_of_more_than_five_seconds_begins_a_session():
    frames = frames_at([*steady(10), *steady(5, 7.0)], "arrival")
    placed, _ = place(frames)
    assert beginnings(placed) == [(0, "first"), (10, "stall")]


def test_a_live_stall_of_five_seconds_stays():
    placed, _ = place(frames_at([*steady(10), *steady(5, 5.9)], "arrival"))
    assert beginnings(placed) == [(0, "first")]


def test_a_live_media_jump_is_seen_though_frames_keep_arriving():
    at = steady(20)
    pts = [*steady(10), *steady(10, 500.0)]
    frames = [
        frame_at(START + a, clock_source="arrival", pts=p) for a, p in zip(at, pts, strict=True)
    ]
    placed, _ = place(frames)
    assert beginnings(placed) == [(0, "first"), (10, "clock_jump")]
    assert times(placed) == pytest.approx(at)


def test_another_timeline_begins_a_session():
    first = frames_at(steady(5))
    second = [frame_at(START + at, timeline=1) for at in steady(5, 0.5)]
    placed, _ = place([*first, *second])
    assert beginnings(placed) == [(0, "first"), (5, "timeline")]


def test_an_earlier_file_is_put_behind():
    second = [frame_at(START - 1000 + at, timeline=1) for at in steady(5)]
    placed, _ = place([*frames_at(steady(5)), *second])
    assert times(placed) == sorted(set(times(placed)))


def test_after_a_flush_a_session_begins():
    timeline = Timeline()
    timeline.push(frame_at(START))
    timeline.flush()
    (placed,) = timeline.push(frame_at(START + 1))
    assert placed.begins == "first"


def test_frames_ten_seconds_apart_are_sessions_each():
    placed, timeline = place(frames_at([0.0, 10.0, 20.0, 30.0, 40.0, 50.0]))
    assert len(placed) == 6
    assert timeline.held == 0
    assert times(placed) == sorted(set(times(placed)))
