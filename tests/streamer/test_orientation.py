import struct

import numpy as np
import pytest

from streamer.orientation import Orientation

ONE = 1 << 16
# A 2x3 picture (H, W): rows 0 1 2 / 3 4 5
PIXELS = np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 3, axis=2)


def matrix(a: float, b: float, c: float, d: float) -> bytes:
    values = (a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    return struct.pack("<9i", *(round(value) for value in values))


@pytest.mark.parametrize(
    ("stored", "rows"),
    [
        (matrix(1, 0, 0, 1), [[0, 1, 2], [3, 4, 5]]),
        (matrix(0, 1, -1, 0), [[3, 0], [4, 1], [5, 2]]),  # a quarter turn clockwise
        (matrix(0, -1, 1, 0), [[2, 5], [1, 4], [0, 3]]),  # counter-clockwise
        (matrix(-1, 0, 0, -1), [[5, 4, 3], [2, 1, 0]]),
        (matrix(-1, 0, 0, 1), [[2, 1, 0], [5, 4, 3]]),  # a mirror
        (matrix(0.99, 0.1, -0.1, 0.99), [[0, 1, 2], [3, 4, 5]]),  # nearly straight
        (b"", [[0, 1, 2], [3, 4, 5]]),
    ],
)
def test_pictures_are_turned(stored: bytes, rows: list[list[int]]):
    orientation = Orientation.from_display_matrix(stored)
    turned = orientation.turn(PIXELS)
    assert turned[:, :, 0].tolist() == rows
    assert turned.flags.c_contiguous
    height, width, _ = turned.shape
    assert orientation.stored_size(width, height) == (3, 2)
