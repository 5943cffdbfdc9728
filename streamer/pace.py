"""A file played at its own speed, as if it were a live camera."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from streamer.clock import JUMP_SECONDS, ArrivalClock, WallClock
from streamer.frame import Frame

LONGEST_PAUSE_SECONDS = 10.0  # a stamp further ahead is a jump and not waited for

_Wait = Callable[[float], bool]  # for so many seconds; true when it is time to stop


def play_as_live(frames: Iterable[Frame], stop: threading.Event) -> Iterator[Frame]:
    """A file's frames when they are due, with arrival times from now on; live ones as they come.

    Ends early when `stop` is set.
    """
    return _play(frames, stop.wait, time.time, time.monotonic)


def _play(
    frames: Iterable[Frame],
    wait: _Wait,
    now: Callable[[], float],
    monotonic: Callable[[], float],
) -> Iterator[Frame]:
    pacer = _Pacer()
    arrival = _Arrival(WallClock(now(), monotonic()))
    for frame in frames:
        if frame.clock_source != "file":
            yield frame
            continue
        if wait(pacer.seconds_until(frame, monotonic())):
            return
        if pacer.began_anew:
            arrival.forget()
        yield arrival.stamp(frame, now(), monotonic())


class _Pacer:
    """When a file's frames are due, on a monotonic clock."""

    def __init__(self) -> None:
        self.began_anew = False  # with the last frame: a file of a glob, or after falling behind
        self._zero: float | None = None  # when pts 0 was due
        self._pts = 0.0
        self._timeline = 0

    def seconds_until(self, frame: Frame, now: float) -> float:
        """How long a frame is to be waited for.

        A reader that fell behind by more than a live camera may stall (a suspended machine, a
        file too large to decode in time) goes on from now, instead of hurrying after the clock.
        """
        other_file = frame.timeline != self._timeline
        jump = not -JUMP_SECONDS <= frame.pts - self._pts <= LONGEST_PAUSE_SECONDS
        late = self._zero is not None and now - (self._zero + frame.pts) > JUMP_SECONDS
        self.began_anew = other_file or (late and not jump)
        if self._zero is None or other_file or jump or late:
            self._zero = now - frame.pts
        self._pts, self._timeline = frame.pts, frame.timeline
        return max(0.0, self._zero + frame.pts - now)


class _Arrival:
    """Arrival times as live cameras have them: smooth, and no step when the clock is corrected."""

    def __init__(self, wall: WallClock) -> None:
        self._wall = wall
        self._clock = ArrivalClock()
        self._steps = 0

    def forget(self) -> None:
        """What comes next has no relation to the stamps so far."""
        self._clock = ArrivalClock()

    def stamp(self, frame: Frame, now: float, monotonic: float) -> Frame:
        """The frame as if it had come in by a wire."""
        arrival = self._wall.read(now, monotonic)
        if self._wall.steps != self._steps:
            self._steps = self._wall.steps
            self.forget()
        at = self._clock.stamp(frame.pts, arrival)
        timeline = frame.timeline + self._steps  # either one more begins a session
        return replace(frame, at=at, clock_source="arrival", timeline=timeline)
