"""The ATSS head's anchors: one per feature position, in units of two-second clips (NumPy only)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STRIDES = (0.5, 1.0, 2.0, 4.0)  # clips between two positions of a level
SIZES = (4.0, 16.0, 32.0, 64.0)  # an anchor of a level covers size - 1 clips
UNIT_SECONDS = 2.0  # hard-coded in the official code, also where a clip lasts one second

CENTRE_WEIGHT = 10.0  # box coder: dx = 10 * shift / anchor width
WIDTH_WEIGHT = 5.0  # box coder: dw = 5 * log(width / anchor width)
MAX_LOG_WIDTH = float(np.log(1000.0 / 16.0))


def anchor_boxes(lengths: Sequence[int]) -> list[NDArray[np.float64]]:
    """Anchors (start, end) of every level, each [P_l, 2], for levels of `lengths` positions.

    Anchor i of a level has its centre at (i + 0.5) * stride and the extent size - 1.

    >>> anchor_boxes([1, 1, 1, 1])[0].tolist()
    [[-1.25, 1.75]]
    """
    levels = []
    for length, stride, size in zip(lengths, STRIDES, SIZES, strict=True):
        centre = (np.arange(length) + 0.5) * stride
        half = 0.5 * (size - 1.0)
        levels.append(np.stack([centre - half, centre + half], axis=-1))
    return levels


def level_lengths(clips: int) -> tuple[int, int, int, int]:
    """Positions of the four pyramid levels for a window of `clips` clips, a multiple of 4.

    >>> level_lengths(76)
    (152, 76, 38, 19)
    """
    if clips < 4 or clips % 4:
        raise ValueError(f"a window has {clips} clips; pad it to a multiple of 4")
    return 2 * clips, clips, clips // 2, clips // 4


def decode_boxes(anchors: NDArray[np.float64], deltas: NDArray[np.floating]) -> NDArray[np.float64]:
    """Boxes (start, end) in clip units from `deltas` (dx, dw) [..., P, 2] at `anchors` [P, 2]."""
    width = anchors[:, 1] - anchors[:, 0] + 1.0  # [P]
    centre = 0.5 * (anchors[:, 1] + anchors[:, 0])
    new_centre = deltas[..., 0] / CENTRE_WEIGHT * width + centre
    new_width = np.exp(np.minimum(deltas[..., 1] / WIDTH_WEIGHT, MAX_LOG_WIDTH)) * width
    half = 0.5 * (new_width - 1.0)
    return np.stack([new_centre - half, new_centre + half], axis=-1)
