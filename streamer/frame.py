"""One decoded picture and when it was seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ClockSource = Literal["rtp", "arrival", "file"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture at the size the bundle wants; `at` is UTC seconds, `pts` media seconds.

    `picture` is the pixels, or what makes them: most frames of a clip are never looked at, and
    resizing them all costs more than decoding. Frames of different `timeline`s (the files of a
    glob) never share a session.
    """

    camera_id: str
    at: float
    pts: float
    picture: NDArray[np.uint8] | Callable[[], NDArray[np.uint8]]
    clock_source: ClockSource
    timeline: int = 0

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """RGB [H, W, 3], made when asked."""
        return self.picture() if callable(self.picture) else self.picture
