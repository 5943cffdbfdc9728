"""How the reading of a camera goes on, seen from outside: it beats with every decoded picture.

Whoever waits for a camera must notice a call that never returns, so it does not ask the process
that reads, but looks into memory that both share.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamer.clip_ring import ClipRing
from streamer.pace import LONGEST_PAUSE_SECONDS

_OPENED, _FRAMES, _NEWEST, _UNTIL, _IS_FILE, _BEGUN = range(6)

Lateness = Literal["start", "connect", "first", "silence"]


class Pulse:
    """The head of a ring; times are of the monotonic clock, which all processes share.

    Written by whoever reads the camera, but for `reset`, which is called before there is one.
    """

    def __init__(self, ring: ClipRing) -> None:
        self._cells = np.frombuffer(ring.memory, np.float64, 6)  # [6]

    def reset(self) -> None:
        """A connection is about to be made."""
        self._cells[:] = 0.0

    def begin(self, now: float) -> None:
        """Whoever reads has taken it up: what comes before is no delay of the camera's."""
        self._cells[_BEGUN] = now

    def opened(self, now: float) -> None:
        """The source was opened."""
        self._cells[_OPENED] = now

    def beat(self, now: float, is_file: bool) -> None:
        """A picture was decoded."""
        self._cells[_IS_FILE] = is_file
        self._cells[_NEWEST] = now
        self._cells[_FRAMES] += 1

    def cover(self, until: float) -> None:
        """Pictures of the session reach until then, UTC seconds."""
        self._cells[_UNTIL] = until

    @property
    def begun_at(self) -> float:
        """When the process that reads took it up; 0: not yet."""
        return float(self._cells[_BEGUN])

    @property
    def opened_at(self) -> float:
        """When the source was opened; 0: not yet."""
        return float(self._cells[_OPENED])

    @property
    def frames(self) -> int:
        """How many pictures were decoded."""
        return int(self._cells[_FRAMES])

    @property
    def newest(self) -> float:
        """When the newest picture was decoded; 0: there was none."""
        return float(self._cells[_NEWEST])

    @property
    def until(self) -> float:
        """UTC seconds until which the camera was seen; 0: it was not."""
        return float(self._cells[_UNTIL])

    @property
    def is_file(self) -> bool:
        """Whether it is a file, which pauses where its stamps do."""
        return bool(self._cells[_IS_FILE])


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a camera may take to be opened, to show its first picture, and between two.

    The first begins once a process has taken the camera up: it loads Python and FFmpeg before, for
    `start_seconds` at most, which is much longer than a busy machine needs. FFmpeg is given the
    same times. It mostly keeps them, and says best what was wrong: so it is waited for
    `margin_seconds` longer.
    """

    open_seconds: float
    silence_seconds: float
    margin_seconds: float = 3.0
    start_seconds: float = 60.0

    def late(
        self, pulse: Pulse, asked: float, now: float, listening: float = 0.0
    ) -> Lateness | None:
        """What the camera, or its process, is late with; `asked` is when it was to be read.

        A file whose clips nobody takes waits, and is not late for it: somebody does since
        `listening`.
        """
        silence = self.silence_seconds + self.margin_seconds
        if pulse.newest:
            longest = max(silence, LONGEST_PAUSE_SECONDS + self.margin_seconds)
            if pulse.is_file:
                return "silence" if now - max(pulse.newest, listening) > longest else None
            return "silence" if now - pulse.newest > silence else None
        if pulse.opened_at:
            return "first" if now - pulse.opened_at > silence else None
        if not pulse.begun_at:
            return "start" if now - asked > self.start_seconds else None
        opening = now - pulse.begun_at
        return "connect" if opening > self.open_seconds + self.margin_seconds else None
