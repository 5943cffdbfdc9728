"""Privacy masks: what lies in a polygon is black before a picture goes anywhere."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streamer.picture_area import Polygon

# So many pixels around a polygon are blackened too: colour is stored for two pixels each way
MARGIN = 1
_SIZES = 4  # whose masks are kept; a camera has one or two


class Mask:
    """Blackens polygons, given in fractions of the picture as it is shown.

    A pixel that a polygon touches at all is black, and so are those around it. Where a polygon
    crosses itself, all that it surrounds is meant.
    """

    def __init__(self, polygons: tuple[Polygon, ...]) -> None:
        self._polygons = polygons
        self._covered = lru_cache(_SIZES)(self._cover)

    def __bool__(self) -> bool:
        return bool(self._polygons)

    def covers(self, width: int, height: int, margin: int = MARGIN) -> NDArray[np.bool_]:
        """Where a picture of that size is black: [H, W], read-only."""
        return self._covered(width, height, margin)

    def apply(self, pixels: NDArray[np.uint8], margin: int = MARGIN) -> NDArray[np.uint8]:
        """The picture [H, W, 3] with black polygons; a copy, the picture itself without any.

        Of a picture that was resized before, what lay beyond an edge has been mixed into the
        pixels before it: `margin` is how far. Nothing has, where the mask came first.
        """
        if not self._polygons:
            return pixels
        height, width, _ = pixels.shape
        return np.where(self.covers(width, height, margin)[..., None], np.uint8(0), pixels)

    def _cover(self, width: int, height: int, margin: int) -> NDArray[np.bool_]:
        covered = np.zeros((height, width), np.bool_)
        for polygon in self._polygons:
            corners = np.array(polygon, np.float64) * (width, height)  # [C, 2] in pixels
            covered |= _inside(corners, width, height)
            _add_edges(covered, corners)
        covered = _widened(covered, margin)
        covered.flags.writeable = False
        return covered


def _inside(corners: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """Pixels whose middle the polygon winds around: [H, W]."""
    turns = np.zeros((height, width + 1), np.int32)
    middles = np.arange(height) + 0.5
    for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        rows = np.nonzero((middles >= min(y, next_y)) & (middles < max(y, next_y)))[0]
        if rows.size == 0:
            continue
        crossings = x + (middles[rows] - y) * (next_x - x) / (next_y - y)
        first = np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.intp)
        np.add.at(turns, (rows, first), 1 if next_y > y else -1)
    return np.asarray(np.cumsum(turns[:, :width], axis=1) != 0, np.bool_)


def _add_edges(covered: NDArray[np.bool_], corners: NDArray[np.float64]) -> None:
    """Cover every pixel that an edge touches, row by row."""
    height, width = covered.shape
    for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        top, bottom = (x, y), (next_x, next_y)
        if y > next_y:
            top, bottom = bottom, top
        fall = bottom[1] - top[1]
        for row in range(min(int(top[1]), height - 1), min(int(bottom[1]), height - 1) + 1):
            share = np.array([row - top[1], row + 1 - top[1]])
            # A flat edge lies in one row whole
            ends = np.clip(share / fall, 0, 1) if fall > 0 else np.array([0.0, 1.0])
            reach = top[0] + ends * (bottom[0] - top[0])
            first = min(int(reach.min()), width - 1)
            covered[row, first : min(int(reach.max()), width - 1) + 1] = True


def _widened(covered: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    height, width = covered.shape
    padded = np.pad(covered, margin)
    wide = np.zeros_like(covered)
    for down in range(2 * margin + 1):
        for across in range(2 * margin + 1):
            wide |= padded[down : down + height, across : across + width]
    return wide
