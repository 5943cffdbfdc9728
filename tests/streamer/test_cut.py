"""The clip grid. Times are seconds after START; clips are 2 s, T = 4."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.clip import Clip, ClipFormat
from streamer.cut import ClipCutter, cut_clips, sample_instants
from streamer.frame import Frame
from tests.streamer.media import START, frame_at, frames_at, tiny_number

FORMAT = ClipFormat(frames=4, width=1, height=1)


def numbers(clip: Clip) -> list[int]:
    return [tiny_number(pixels) for pixels in clip.frames]


def cut(frames: list[Frame]) -> tuple[list[Clip], Counter]:
    outcomes: Counter = Counter()
    return list(cut_clips(frames, FORMAT, outcomes)), outcomes


def every(step: float, seconds: float, start: float = 0.0) -> list[float]:
    return [start + i * step for i in range(round(seconds / step))]


def test_instants_are_the_middles_of_equal_parts():
    assert sample_instants(FORMAT).tolist() == [0.25, 0.75, 1.25, 1.75]
    early = replace(FORMAT, instants="starts")
    assert sample_instants(early).tolist() == [0.0, 0.5, 1.0, 1.5]


def test_a_steady_stream_gives_whole_clips():
    # clip 0 |0.....2| clip 1 |2.....4|, a frame each 0.1 s
    clips, outcomes = cut(frames_at(every(0.1, 4.0)))
    assert [clip.index for clip in clips] == [0, 1]
    assert [(clip.start - START, clip.end - START) for clip in clips] == [(0, 2), (2, 4)]
    assert clips[0].session == clips[1].session == int(START * 1000)
    assert [clip.seen_until for clip in clips] == pytest.approx([START + 2, START + 4], abs=1e-3)
    assert outcomes["ok"] + outcomes["short"] == 2
    assert outcomes["missing"] == 0


def test_frames_are_those_nearest_to_the_instants():
    # instants 0.25 0.75 1.25 1.75; frames at 0.0 0.3 0.7 0.8 1.2 1.9
    #          0.3  0.7*  1.2  1.9   (* 0.7 and 0.8 are equally near: the earlier)
    (clip,), _ = cut(frames_at([0.0, 0.3, 0.7, 0.8125, 1.2, 1.9]))
    assert numbers(clip) == [1, 2, 4, 5]


def test_few_frames_repeat():
    (clip,), outcomes = cut(frames_at([0.0, 1.0]))
    assert numbers(clip) == [0, 1, 1, 1]
    assert outcomes["short"] == 1


def test_one_frame_is_a_clip():
    (clip,), outcomes = cut(frames_at([0.0]))
    assert numbers(clip) == [0, 0, 0, 0]
    assert clip.start < clip.seen_until < clip.end
    assert +outcomes == {"short": 1}


def test_no_frames_no_clips():
    assert cut([]) == ([], Counter())


def test_the_partial_last_clip_says_how_far_it_was_seen():
    clips, outcomes = cut(frames_at(every(0.1, 2.5)))
    assert clips[-1].index == 1
    assert clips[-1].seen_until == pytest.approx(START + 2.5, abs=0.01)
    assert outcomes["ok"] == 1
    assert outcomes["short"] == 1


def test_frames_on_the_boundary_belong_to_the_next_clip():
    # UTC seconds as floats cannot hold START + 1.1 * i exactly: the grid must not care
    for start in (START, START + 0.123, START + 0.0019):
        frames = [frame_at(start + i * 0.5, i) for i in range(12)]
        clips = list(cut_clips(frames, FORMAT))
        assert [numbers(clip)[0] for clip in clips] == [0, 4, 8]


def test_a_stall_of_five_seconds_leaves_missing_indices():
    # frames 0..1.9, nothing until 6.9 (4.9 + 0.1 s): index 1 and 2 are missing, 3 begins late
    clips, outcomes = cut(frames_at([*every(0.1, 2.0), *every(0.1, 1.1, start=6.9)]))
    assert [clip.index for clip in clips] == [0, 3]
    assert len({clip.session for clip in clips}) == 1
    assert outcomes["missing"] == 2
    assert [clip.skipped for clip in clips] == [0, 2]


def test_a_clip_before_a_gap_ends_where_its_pictures_end():
    clips, _ = cut(frames_at([*every(0.1, 1.0), *every(0.1, 1.0, start=4.0)]))
    assert clips[0].seen_until == pytest.approx(START + 1.0, abs=0.02)
    assert [clip.index for clip in clips] == [0, 2]


def test_a_slow_camera_has_no_gaps():
    clips, outcomes = cut(frames_at(every(1.0, 10.0)))
    assert [clip.index for clip in clips] == [0, 1, 2, 3, 4]
    assert all(clip.seen_until == clip.end for clip in clips[:-1])
    assert outcomes["missing"] == 0


def test_a_flush_ends_the_session():
    cutter = ClipCutter(FORMAT)
    for frame in frames_at(every(0.1, 1.0)):
        cutter.push(frame)
    (first,) = cutter.flush()
    for frame in frames_at(every(0.1, 1.0, start=1.5)):
        cutter.push(frame)
    (second,) = cutter.flush()
    assert second.session == first.session + 1500
    assert second.index == 0
    assert cutter.flush() == []


def test_clips_say_since_when_their_camera_is_watched():
    cutter = ClipCutter(FORMAT)
    unsaid = [clip for frame in frames_at(every(0.1, 2.5)) for clip in cutter.push(frame)]
    cutter.watched_since = START - 7
    said = cutter.flush()
    assert [clip.watched_since for clip in [*unsaid, *said]] == [0.0, START - 7]


def test_no_session_begins_before_where_another_process_left_off():
    cutter = ClipCutter(FORMAT, not_before=START + 60.001)
    frames = [*frames_at(every(0.1, 3.0)), *frames_at(every(0.1, 1.0, start=100.0))]
    clips = [clip for frame in frames for clip in cutter.push(frame)] + cutter.flush()
    assert [clip.session - int(START * 1000) for clip in clips] == [60_001, 60_001, 100_000]
    assert [clip.index for clip in clips] == [0, 1, 0]
    assert clips[0].start == pytest.approx(START + 60.001)


def test_only_shown_frames_are_made_into_pixels():
    made = []

    def lazy(number: int) -> Frame:
        def pixels() -> np.ndarray:
            made.append(number)
            return np.zeros((1, 1, 3), np.uint8)

        return Frame("yard", START + number / 100, number / 100, pixels, "file")

    assert len(list(cut_clips(map(lazy, range(400)), FORMAT))) == 2
    assert len(made) == 8
    assert made == sorted(set(made))


def test_the_cutter_holds_at_most_four_frames():
    cutter = ClipCutter(FORMAT)
    for i, frame in enumerate(frames_at(every(0.04, 40.0))):
        late = i % 50 in (10, 11, 30)  # jumps of one and two frames
        cutter.push(frame_at(frame.at + (100 if late else 0), i))
        assert cutter.frames_held <= 4


# -- properties -------------------------------------------------------------------------------

steps = st.one_of(
    st.floats(0.0, 0.2),
    st.floats(0.2, 6.0),
    st.floats(-8.0, 0.0),
    st.sampled_from([0.04, 0.04, 0.04, 5.0, -5.0, 5.1, 60.0, -60.0, 3600.0]),
)


@st.composite
def any_frames(draw: st.DrawFn) -> list[Frame]:
    clock = draw(st.sampled_from(["file", "arrival"]))
    at, frames, timeline = 0.0, [], 0
    for number, step in enumerate(draw(st.lists(steps, max_size=60))):
        at += abs(step) if clock == "arrival" else step
        timeline += draw(st.integers(0, 30)) == 30
        jump = draw(st.sampled_from([0.0] * 20 + [50.0, -50.0])) if clock == "arrival" else 0.0
        frames.append(
            frame_at(START + at, number, clock_source=clock, pts=at + jump, timeline=timeline)
        )
    return frames


@settings(deadline=None, max_examples=100)
@given(any_frames())
def test_clips_of_any_stream_are_in_order(frames: list[Frame]):
    outcomes: Counter = Counter()
    clips = list(cut_clips(frames, FORMAT, outcomes))
    assert bool(clips) == bool(frames)
    for clip in clips:
        assert clip.frames.shape == (4, 1, 1, 3)
        assert clip.start < clip.seen_until <= clip.end
        assert clip.end - clip.start == pytest.approx(2.0)
        assert clip.start == pytest.approx(clip.session / 1000 + 2 * clip.index)
        assert numbers(clip) == sorted(numbers(clip))
    for before, after in pairwise(clips):
        # sessions never go back, indices increase within one, no frame is in two clips
        assert before.session <= after.session
        assert before.session < after.session or before.index < after.index
        assert numbers(before)[-1] < numbers(after)[0]
        same = before.session == after.session
        assert after.skipped == (after.index - before.index - 1 if same else after.index)
    assert outcomes["ok"] + outcomes["short"] == len(clips)
    missing = sum(
        after.index - before.index - 1
        for before, after in pairwise(clips)
        if before.session == after.session
    )
    assert outcomes["missing"] == missing + sum(clip.index for clip in clips if _first(clip, clips))


def _first(clip: Clip, clips: list[Clip]) -> bool:
    return clip is next(c for c in clips if c.session == clip.session)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.floats(0.5, 8.0), st.floats(0.0, 1e6))
def test_a_steady_stream_of_any_rate_is_one_session_without_holes(
    fps: int, seconds: float, start: float
):
    frames = [frame_at(START + start + i / fps, i) for i in range(max(1, int(seconds * fps)))]
    clips = list(cut_clips(frames, FORMAT))
    assert [clip.index for clip in clips] == list(range(len(clips)))
    assert len({clip.session for clip in clips}) == 1


@settings(deadline=None, max_examples=30)
@given(any_frames())
def test_pushing_one_by_one_is_the_same_as_cutting(frames: list[Frame]):
    cutter = ClipCutter(FORMAT)
    pushed = [clip for frame in frames for clip in cutter.push(frame)] + cutter.flush()
    cut_at_once = list(cut_clips(frames, FORMAT))
    assert [(c.session, c.index, numbers(c)) for c in pushed] == [
        (c.session, c.index, numbers(c)) for c in cut_at_once
    ]
