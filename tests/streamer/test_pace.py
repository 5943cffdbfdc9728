"""Files at their own speed: time is a number here, and nobody waits."""

import threading
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.frame import Frame
from streamer.pace import LONGEST_PAUSE_SECONDS, _play, play_as_live
from streamer.timeline import Timeline
from tests.streamer.media import START, frame_at, frames_at

NOW = 2_000_000_000.0


class Clock:
    """Both clocks, and the waiting that moves them on."""

    def __init__(self) -> None:
        self.monotonic = 50.0
        self.waits: list[float] = []
        self.stopped = False

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.monotonic += seconds
        return self.stopped

    def play(self, frames: Iterable[Frame]) -> list[Frame]:
        now = NOW - self.monotonic
        return list(_play(frames, self.wait, lambda: now + self.monotonic, lambda: self.monotonic))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def film(*pts: float, timeline: int = 0) -> list[Frame]:
    return [frame_at(START + at, i, pts=at, timeline=timeline) for i, at in enumerate(pts)]


def test_frames_come_when_they_are_due_from_now_on(clock: Clock):
    played = clock.play(film(0.0, 0.1, 0.2, 0.5))
    assert clock.waits == pytest.approx([0.0, 0.1, 0.1, 0.3])
    assert [frame.at for frame in played] == pytest.approx([NOW, NOW + 0.1, NOW + 0.2, NOW + 0.5])
    assert {frame.clock_source for frame in played} == {"arrival"}
    assert [frame.pts for frame in played] == [0.0, 0.1, 0.2, 0.5]


def test_live_frames_pass_as_they_are(clock: Clock):
    frames = frames_at([0.0, 0.1], "arrival")
    assert clock.play(frames) == frames
    assert clock.waits == []


def test_a_file_that_begins_late_begins_now(clock: Clock):
    played = clock.play(film(100.0, 100.1))
    assert clock.waits == pytest.approx([0.0, 0.1])
    assert played[0].at == NOW


def test_time_taken_by_the_reader_is_not_waited_for_again(clock: Clock):
    def slow() -> Iterable[Frame]:
        for frame in film(0.0, 0.1, 0.2):
            clock.monotonic += 0.04
            yield frame

    clock.play(slow())
    assert clock.waits == pytest.approx([0.0, 0.06, 0.06])


def test_a_suspended_machine_goes_on_from_now(clock: Clock):
    def suspended() -> Iterable[Frame]:
        first, second, third = film(0.0, 0.1, 0.2)
        yield first
        clock.monotonic += 3600
        yield second
        yield third

    played = clock.play(suspended())
    assert clock.waits == pytest.approx([0.0, 0.0, 0.1])
    assert played[1].at == pytest.approx(NOW + 3600)
    assert played[2].at == pytest.approx(NOW + 3600.1)


def test_a_stamp_far_ahead_is_not_waited_for(clock: Clock):
    clock.play(film(0.0, 0.1, 9000.0, 0.3, 0.4))
    assert clock.waits == pytest.approx([0.0, 0.1, 0.0, 0.0, 0.1])


def test_a_pause_in_a_file_is_kept(clock: Clock):
    clock.play(film(0.0, LONGEST_PAUSE_SECONDS - 1))
    assert clock.waits == pytest.approx([0.0, LONGEST_PAUSE_SECONDS - 1])


def test_the_next_file_of_a_glob_follows_at_once(clock: Clock):
    played = clock.play([*film(0.0, 0.1), *film(0.0, 0.1, timeline=1)])
    assert clock.waits == pytest.approx([0.0, 0.1, 0.0, 0.1])
    at = [frame.at for frame in played]
    assert at == sorted(at)
    assert [frame.timeline for frame in played] == [0, 0, 1, 1]


def test_a_corrected_clock_begins_a_timeline():
    monotonic = [0.0]
    wall = [NOW]

    def wait(seconds: float) -> bool:
        monotonic[0] += seconds
        wall[0] += seconds
        if monotonic[0] > 1.0 and wall[0] < NOW + 100:
            wall[0] += 1000.0
        return False

    frames = film(*(i / 10 for i in range(30)))
    played = list(_play(frames, wait, lambda: wall[0], lambda: monotonic[0]))
    assert [played[0].timeline, played[-1].timeline] == [0, 1]
    assert played[-1].at == pytest.approx(NOW + 1000 + 2.9, abs=0.1)


def test_it_ends_when_it_is_told(clock: Clock):
    clock.stopped = True
    assert clock.play(film(0.0, 0.1)) == []
    stop = threading.Event()
    stop.set()
    assert list(play_as_live(film(0.0, 0.1), stop)) == []


@given(st.lists(st.floats(-1e5, 1e5), max_size=30))
def test_no_stamp_makes_it_wait_long_or_go_back(pts: list[float]):
    clock = Clock()
    played = clock.play(film(*pts))
    assert len(played) == len(pts)
    assert all(0 <= wait <= LONGEST_PAUSE_SECONDS for wait in clock.waits)
    timeline = Timeline()
    placed = [one.at for frame in played for one in timeline.push(frame)]
    assert all(a < b for a, b in pairwise(placed))
