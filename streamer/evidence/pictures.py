"""Pictures for people: JPEG and an animation, as Pillow makes them."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_QUALITY = 80
_ANIMATION_QUALITY = 60


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """An RGB picture [H, W, 3] as a small JPEG."""
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def encode_animation(pictures: Sequence[NDArray[np.uint8]], seconds: float) -> bytes:
    """RGB pictures [H, W, 3] as a WebP that shows each so long, over and over."""
    file = BytesIO()
    first, *rest = [Image.fromarray(np.ascontiguousarray(one)) for one in pictures]
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
    return file.getvalue()
