"""Synthetic cameras: what their clocks say, and what is made of it."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.clip import ClipFormat
from streamer.cut import ClipCutter
from streamer.frame import Frame
from streamer.live_clock import LiveClock
from tests.streamer.media import frame_at

WALL = 1_700_000_000.0
FPS = 10
TINY = ClipFormat(frames=4, width=1, height=1)


class Sent:
    """A picture on its way: seen and arrived when, in seconds, and what the camera says."""

    def __init__(self, seen: float, delay: float = 0.3, says: float | None = None) -> None:
        self.seen, self.arrived, self.says = seen, seen + delay, says


def stamped(pictures: list[Sent]) -> list[Frame]:
    clock = LiveClock(WALL + pictures[0].arrived, pictures[0].arrived)
    frames = []
    for number, one in enumerate(pictures):
        says = None if one.says is None else WALL + one.says
        at, source = clock.stamp(one.seen, says, (WALL + one.arrived, one.arrived))
        frames.append(
            frame_at(at, number, clock_source=source, pts=one.seen, timeline=clock.timeline)
        )
    return frames


def seconds(frames: list[Frame]) -> list[float]:
    return [frame.at - WALL for frame in frames]


def test_the_senders_time_is_taken_at_once():
    sent = [Sent(i / FPS, delay=0.3 + 0.2 * (i % 3), says=i / FPS) for i in range(50)]
    frames = stamped(sent)
    assert seconds(frames) == pytest.approx([i / FPS for i in range(50)], abs=1e-3)
    assert {frame.clock_source for frame in frames} == {"rtp"}


def test_without_the_senders_time_arrival_counts():
    frames = stamped([Sent(i / FPS) for i in range(50)])
    assert seconds(frames) == pytest.approx([0.3 + i / FPS for i in range(50)], abs=1e-3)
    assert {frame.clock_source for frame in frames} == {"arrival"}


def test_a_first_report_that_comes_late_is_slewed_to():
    sent = [Sent(i / FPS, 0.8, i / FPS if i > 50 else None) for i in range(600)]
    frames = stamped(sent)
    steps = [b - a for a, b in pairwise(seconds(frames))]
    assert min(steps) >= 0.7 / FPS
    assert max(steps) <= 1.3 / FPS
    assert seconds(frames)[-1] == pytest.approx(59.9, abs=0.05)
    sources = [frame.clock_source for frame in frames]
    assert sources[0] == "arrival"
    assert sources[-1] == "rtp"
    assert len(ClipCutter(TINY).push(frames[0])) == 0
    sessions = {clip.session for clip in cut(frames)}
    assert len(sessions) == 1, "a correction tears no session"


def cut(frames: list[Frame]) -> list:
    cutter = ClipCutter(TINY)
    return [clip for frame in frames for clip in cutter.push(frame)] + cutter.flush()


@pytest.mark.parametrize("off", [-1e9, -3600.0, -5.5, 5.5, 7200.0])
def test_a_clock_that_is_off_is_not_believed(off: float):
    frames = stamped([Sent(i / FPS, 0.2, i / FPS + off) for i in range(100)])
    assert {frame.clock_source for frame in frames} == {"arrival"}
    assert seconds(frames) == pytest.approx([0.2 + i / FPS for i in range(100)], abs=1e-3)


def test_a_clock_that_is_set_right_is_believed_from_then_on():
    sent = [Sent(i / FPS, 0.2, i / FPS - (3600 if i < 100 else 0)) for i in range(600)]
    frames = stamped(sent)
    assert frames[99].clock_source == "arrival"
    assert frames[-1].clock_source == "rtp"
    assert seconds(frames)[-1] == pytest.approx(59.9, abs=0.05)


def test_one_wild_report_changes_nothing():
    sent = [Sent(i / FPS, 0.2, i / FPS + (3600 if i == 50 else 0)) for i in range(100)]
    frames = stamped(sent)
    assert seconds(frames) == pytest.approx([i / FPS for i in range(100)], abs=0.01)
    assert {clip.session for clip in cut(frames)} == {round(WALL * 1000)}


@pytest.mark.parametrize(("sent_fps", "told_fps"), [(21, 25), (25, 25), (25, 21), (12, 25)])
def test_a_clip_is_two_seconds_of_the_clock_whatever_the_rate(sent_fps: int, told_fps: int):
    """The camera stamps as if it sent `told_fps`; clips hold what was sent in two seconds."""
    clock = LiveClock(WALL, 0.0)
    frames, arrivals = [], []
    for i in range(sent_fps * 300):
        arrived = i / sent_fps
        at, source = clock.stamp(i / told_fps, None, (WALL + arrived, arrived))
        frames.append(frame_at(at, i, clock_source=source, pts=i / told_fps))
        arrivals.append(WALL + arrived)
    settled = sent_fps * 200
    errors = [abs(frame.at - arrived) for frame, arrived in zip(frames, arrivals, strict=True)]
    assert max(errors[settled:]) < 0.4
    clips = cut(frames)
    assert len({clip.session for clip in clips}) == 1
    for clip in clips[110:-1]:
        held = sum(clip.start <= frame.at < clip.end for frame in frames)
        assert held == pytest.approx(2 * sent_fps, abs=2)


PICTURES = st.lists(
    st.tuples(
        st.floats(0, 7),  # seconds until the next picture: stalls among them
        st.floats(-2, 2),  # what its stamp is wrong by
        st.one_of(st.none(), st.floats(-9, 9), st.sampled_from([3600.0, -1e9])),
    ),
    min_size=2,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(PICTURES)
def test_whatever_comes_time_never_goes_back(pictures: list[tuple[float, float, float | None]]):
    clock, now, last = LiveClock(WALL, 0.0), 0.0, 0.0
    frames = []
    for number, (pause, wrong, ahead) in enumerate(pictures):
        now += pause
        says = None if ahead is None else WALL + now + ahead
        at, source = clock.stamp(now + wrong, says, (WALL + now, now))
        assert at > last
        last = at
        frames.append(frame_at(at, number, clock_source=source, pts=now + wrong))
    clips = cut(frames)
    starts = [(clip.session, clip.index) for clip in clips]
    assert starts == sorted(set(starts))
    for before, after in pairwise(clips):
        assert after.start >= before.start
        if before.session == after.session:
            assert after.index - before.index - 1 == after.skipped


@pytest.mark.parametrize(("stall", "sessions"), [(1.0, 1), (4.8, 1), (5.3, 2), (60.0, 2)])
@pytest.mark.parametrize("says", [True, False])
def test_a_stall_of_five_seconds_stays_in_the_session(stall: float, sessions: int, says: bool):
    seen = [i / FPS + (stall if i >= 100 else 0.0) for i in range(200)]
    clips = cut(stamped([Sent(at, 0.2, at if says else None) for at in seen]))
    assert len({clip.session for clip in clips}) == sessions
    covered = sum(clip.seen_until - clip.start for clip in clips)
    missing = sum(clip.skipped * 2 for clip in clips)
    if sessions == 1:  # every second of it is in a clip, or told to be missing
        assert max(clip.end for clip in clips) - clips[0].start == pytest.approx(
            missing + sum(clip.end - clip.start for clip in clips)
        )
    assert covered <= 20.0 + 4.0


def test_the_systems_clock_is_set_by_an_hour():
    clock = LiveClock(WALL, 0.0)
    frames = []
    for i in range(100):
        set_by = 3600.0 if i >= 50 else 0.0
        at, source = clock.stamp(i / FPS, None, (WALL + i / FPS + set_by, i / FPS))
        frames.append(frame_at(at, i, clock_source=source, pts=i / FPS, timeline=clock.timeline))
    assert len({clip.session for clip in cut(frames)}) == 2
    assert seconds(frames)[-1] == pytest.approx(3609.9, abs=0.1)


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize("jump", [3600.0, -3600.0, 5.5, 4.0])
@pytest.mark.parametrize("wrong", [1, 2, 3, 100])
def test_stamps_that_jump(says: bool, jump: float, wrong: int):
    """For some frames; the sender's time jumps along, until it reports anew."""
    clock, frames = LiveClock(WALL, 0.0), []
    for i in range(300):
        off = jump if 100 <= i < 100 + wrong else 0.0
        sender = WALL + i / FPS + off if says else None
        at, source = clock.stamp(i / FPS + off, sender, (WALL + i / FPS, i / FPS))
        frames.append(frame_at(at, i, clock_source=source, pts=i / FPS + off))
    cutter = ClipCutter(TINY)
    clips = [clip for frame in frames for clip in cutter.push(frame)] + cutter.flush()
    sessions = len({clip.session for clip in clips})
    if abs(jump) < 5 or wrong < 3:
        assert sessions == 1
    else:
        assert sessions == 3  # there, and back
        assert cutter.beginnings["clock_jump"] == 2
    errors = [abs(frame.at - (WALL + i / FPS)) for i, frame in enumerate(frames)]
    assert max(errors[:100]) < 0.01
    assert max(errors) <= (4.5 if abs(jump) < 5 else 0.5)
    assert clips[-1].end >= WALL + 29
