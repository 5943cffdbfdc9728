"""A clip: two seconds of one session, as T evenly spaced frames."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamer.frame import ClockSource

CLIP_SECONDS = 2.0
Instants = Literal["middles", "starts"]  # of T equal parts of a clip


@dataclass(frozen=True, slots=True)
class ClipFormat:
    """What a bundle wants of each clip: how many frames, how large, resized by which kernel."""

    frames: int  # T
    width: int
    height: int
    kernel: str = "area"  # a name of `streamer.resizing.KERNELS`
    seconds: float = CLIP_SECONDS
    instants: Instants = "middles"


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Clip `index` of a session covers [session start + 2 index, session start + 2 (index + 1)).

    `session` is the session's start in UTC milliseconds; `start`, `end` and `seen_until` are UTC
    seconds. `seen_until` is where the pictures really end: it is below `end` in the last clip of
    a file or of a broken stream. Right before this clip, `skipped` indices of the session have no
    clip because the camera gave no picture. `watched_since` is when the process that read it took
    up the camera, UTC seconds (0: unknown): what was missed before then, nobody watched.
    """

    camera_id: str
    session: int
    index: int
    start: float
    end: float
    seen_until: float
    frames: NDArray[np.uint8]  # [T, H, W, 3] RGB
    clock_source: ClockSource
    skipped: int = 0
    watched_since: float = 0.0
