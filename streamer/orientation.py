"""Turning pictures the way their display matrix says (phones and ceiling cameras)."""

import struct
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_MATRIX = struct.Struct("<9i")


@dataclass(frozen=True, slots=True)
class Orientation:
    """How stored pixels become the picture: transpose first, then mirror the result's axes."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: bytes) -> Self:
        """The quarter turn nearest to FFmpeg's display matrix (9 little-endian int32).

        The matrix sends a stored point (x, y) to (a x + c y, b x + d y), x right and y down.
        """
        if len(matrix) < _MATRIX.size:
            return cls()
        a, b, _, c, d, *_ = _MATRIX.unpack_from(matrix)
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(transposed=True, mirrored_x=c < 0, mirrored_y=b < 0)
        return cls(mirrored_x=a < 0, mirrored_y=d < 0)

    def stored_size(self, width: int, height: int) -> tuple[int, int]:
        """The size before turning of a picture that shall be width x height afterwards."""
        return (height, width) if self.transposed else (width, height)

    def turn(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Stored pixels [H, W, 3] as the picture; the array itself when nothing is to turn."""
        if self.transposed:
            pixels = pixels.transpose(1, 0, 2)
        if self.mirrored_x:
            pixels = pixels[:, ::-1]
        if self.mirrored_y:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)
