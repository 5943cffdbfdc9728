"""A region of interest: the box of a picture that is looked at."""

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from streamer.mask import Mask
from streamer.picture_area import Box

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def crop(pixels: NDArray[np.uint8], mask: Mask, region: Box = WHOLE) -> NDArray[np.uint8]:
    """What may be seen of a picture [H, W, 3] as it is shown: masked, then cut to the region.

    A copy in one piece [h, w, 3]; every pixel that the region touches is in it.
    """
    height, width, _ = pixels.shape
    left, top, right, bottom = region
    rows = slice(min(floor(top * height), height - 1), ceil(bottom * height))
    columns = slice(min(floor(left * width), width - 1), ceil(right * width))
    cut = np.array(pixels[rows, columns], np.uint8, order="C")
    if mask:
        cut[mask.covers(width, height)[rows, columns]] = 0
    return cut
