"""What the encoder makes: one unit vector a clip, and features of texts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.frame import ClockSource


@dataclass(frozen=True, slots=True, eq=False)
class ClipEmbedding:
    """The unit vector of one clip; the other fields are the clip's own."""

    camera_id: str
    session: int  # the session's start, UTC milliseconds
    index: int
    start: float  # UTC seconds
    end: float
    seen_until: float
    space_id: str
    vector: NDArray[np.float32]  # [D], norm 1
    clock_source: ClockSource
    skipped: int = 0
    watched_since: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class TextFeatures:
    """A text in one embedding space: the pooled unit vector and the tokens SG-DETR reads."""

    text: str
    space_id: str
    pooled: NDArray[np.float32]  # [D], norm 1
    tokens: NDArray[np.float32]  # [N, D], 1 <= N <= 40
