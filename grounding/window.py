"""Windows: what SG-DETR sees of a session."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW_CLIPS = 75  # 150 s of 2-second clips


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Window `index` of a session: its clips max(0, index - 74) .. index.

    Rows without a clip (a stall, a clip that was dropped) are zero and masked out.
    """

    camera_id: str
    session: int  # the session's start, UTC milliseconds
    index: int  # of its newest clip
    first_index: int  # of row 0
    start: float  # UTC seconds of row 0's beginning
    seen_until: float  # UTC seconds where the newest clip's pictures end
    clip_seconds: float
    vectors: NDArray[np.float32]  # [L, D]
    mask: NDArray[np.bool_]  # [L] True where there is a clip
    gate_vectors: NDArray[np.float32] | None = None  # [L, G] what the gate compares with queries
    is_film: bool = False  # of a file, whose times have nothing to do with when it is looked at
