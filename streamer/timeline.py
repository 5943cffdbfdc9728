"""The gap and jump rules (design 4): frames in, frames with their place in a session out.

A stall or forward jump of at most 5 s stays in the session. A jump of more than 5 s is held back
until it is known whether it was one bad stamp (re-stamped) or, three frames running, a new
beginning. Time never goes back: small steps back are slewed (half speed until caught up), a
session that would begin before the last frame of the one before is shifted behind it.
"""

from dataclasses import dataclass
from typing import Literal

from streamer.clock import JUMP_FRAMES, JUMP_SECONDS
from streamer.frame import Frame

Beginning = Literal["first", "stall", "clock_jump", "timeline"]

_SHORTEST_STEP = 0.004  # 250 fps
_LONGEST_STEP = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A frame at its time in the session; `begins` says why a session starts with it, if so."""

    frame: Frame
    at: float  # UTC seconds, later than every frame placed before
    begins: Beginning | None


class Timeline:
    """Places the frames of one camera; holds at most three, those of a suspected jump.

    No session begins before `not_before`: where another process left off, whose clock may differ.
    """

    def __init__(self, not_before: float = 0.0) -> None:
        self.restamped = 0  # frames whose own time was thrown away
        self._not_before = not_before  # UTC seconds
        self._last: Placed | None = None
        self._open = False
        self._step = 0.04  # seconds between frames, learned
        self._step_known = False
        self._shift = 0.0  # seconds this session stands behind its own stamps
        self._held: list[Frame] = []

    @property
    def step_seconds(self) -> float:
        """How long a frame lasts: the learned distance between frames."""
        return self._step

    @property
    def seen_until(self) -> float:
        """Where the newest frame that was placed ends, UTC seconds; 0: there was none."""
        return 0.0 if self._last is None else self._last.at + self._step

    @property
    def held(self) -> int:
        """How many frames wait for the verdict on a jump."""
        return len(self._held)

    def push(self, frame: Frame) -> list[Placed]:
        """The frames whose place is now known, in order."""
        if not self._open or self._last is None:
            return [self._begin(frame, "first")]
        last = self._last.frame
        if frame.timeline != last.timeline:
            return [*self._restamp_held(), self._begin(frame, "timeline")]
        if frame.clock_source != "file" and frame.at - self._reference_at() > JUMP_SECONDS:
            return [*self._restamp_held(), self._begin(frame, "stall")]
        expected = last.pts + self._step * len(self._held)
        if abs(frame.pts - expected) > JUMP_SECONDS:
            return self._hold(frame)
        return [*self._restamp_held(), self._place(frame, frame.at + self._shift)]

    def flush(self) -> list[Placed]:
        """The held frames; the next frame pushed begins a session."""
        placed = self._restamp_held()
        self._open = False
        return placed

    def _reference_at(self) -> float:
        assert self._last is not None
        return self._held[-1].at if self._held else self._last.frame.at

    def _hold(self, frame: Frame) -> list[Placed]:
        self._held.append(frame)
        if len(self._held) < JUMP_FRAMES:
            return []
        first, *rest = self._held
        self._held = []
        placed = [self._begin(first, "clock_jump")]
        for held in rest:
            placed += self.push(held)
        return placed

    def _restamp_held(self) -> list[Placed]:
        held, self._held = self._held, []
        self.restamped += len(held)
        placed = []
        for frame in held:
            assert self._last is not None
            placed.append(self._place(frame, self._last.at + self._step, learn=False))
        return placed

    def _begin(self, frame: Frame, why: Beginning) -> Placed:
        self._open = True
        earliest = self._not_before
        if self._last is not None:
            earliest = max(earliest, self._last.at + self._step)
        self._shift = max(0.0, earliest - frame.at)
        self._last = Placed(frame, frame.at + self._shift, why)
        return self._last

    def _place(self, frame: Frame, at: float, learn: bool = True) -> Placed:
        assert self._last is not None
        if learn:
            self._learn(frame.pts - self._last.frame.pts)
        # Half speed, not a standstill: frames keep distinct times while stamps catch up.
        at = max(at, self._last.at + self._step / 2)
        # A bad stamp must not become what the next frames are measured by.
        known = frame if learn else self._last.frame
        placed = Placed(frame, at, None)
        self._last = Placed(known, at, None)
        return placed

    def _learn(self, distance: float) -> None:
        """Follows the mean of the stamps' distances, those that go back among them."""
        if not self._step_known and distance > 0:
            self._step, self._step_known = distance, True
        # At most twice the step: one gap says nothing about how long a frame lasts.
        distance = max(-2 * self._step, min(2 * self._step, distance))
        self._step = 0.9 * self._step + 0.1 * distance
        self._step = max(_SHORTEST_STEP, min(_LONGEST_STEP, self._step))
