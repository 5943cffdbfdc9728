"""Pictures for people: JPEG and an animation, as Pillow makes them."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streamer.errors import SegmentError

_QUALITY = 80
_ANIMATION_QUALITY = 60


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """An RGB picture [H, W, 3] as a small JPEG.

    Raises:
        SegmentError: it cannot be one: it is larger than any JPEG.
    """
    file = BytesIO()
    try:
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=_QUALITY)
    except (OSError, ValueError) as error:
        raise SegmentError(f"A picture cannot be a JPEG: {error}.") from error
    return file.getvalue()


def encode_animation(pictures: Sequence[NDArray[np.uint8]], seconds: float) -> bytes:
    """RGB pictures [H, W, 3] as a WebP that shows each so long, over and over.

    Raises:
        SegmentError: they cannot be one: they are larger than any WebP.
    """
    file = BytesIO()
    first, *rest = [Image.fromarray(np.ascontiguousarray(one)) for one in pictures]
    try:
        first.save(
            file,
            "WEBP",
            save_all=True,
            append_images=rest,
            duration=round(seconds * 1000),
            loop=0,
            quality=_ANIMATION_QUALITY,
            method=2,
        )
    except (OSError, ValueError) as error:
        raise SegmentError(f"Pictures cannot be a WebP: {error}.") from error
    return file.getvalue()
