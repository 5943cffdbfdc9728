"""Privacy masks on pictures that are coded anew."""

from typing import Any, cast

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from streamer.evidence.media.recoder import PIXELS, Paint
from streamer.mask import Mask
from streamer.orientation import Orientation
from streamer.picture_area import Polygon

_BLACK = 16  # of brightness, in video's range
_GREY = 128  # no colour


def painter(polygons: tuple[Polygon, ...], display_matrix: bytes) -> Paint:
    """Blackens polygons, given in fractions of the picture as it is shown after turning."""
    mask, orientation = Mask(polygons), Orientation.from_display_matrix(display_matrix)
    covers: dict[tuple[int, int], tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {}

    def paint(picture: VideoFrame) -> VideoFrame:
        width, height = picture.width, picture.height
        if (width, height) not in covers:
            covers.clear()
            covers[width, height] = _stored(mask, orientation, width, height)
        bright, colour = covers[width, height]
        planes = picture.to_ndarray()  # [H + H / 2, W]: brightness, then the two of colour
        planes[:height][bright] = _BLACK
        planes[height:].reshape(2, height // 2, width // 2)[:, colour] = _GREY
        return VideoFrame.from_ndarray(planes, PIXELS)

    return paint


def _stored(
    mask: Mask, orientation: Orientation, width: int, height: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a stored picture is covered: [H, W] of brightness, [H / 2, W / 2] of colour."""
    places = np.arange(height * width).reshape(height, width, 1)
    # The cast: it turns whatever stands in the pixels' places
    shown = orientation.turn(cast(Any, places))[..., 0]  # which stored pixel each shown one is
    covered = mask.covers(shown.shape[1], shown.shape[0])
    stored = np.zeros(height * width, np.bool_)
    stored[shown[covered]] = True
    bright = stored.reshape(height, width)
    blocks = bright.reshape(height // 2, 2, width // 2, 2)
    return bright, np.asarray(blocks.any(axis=(1, 3)), np.bool_)
