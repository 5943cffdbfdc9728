"""How a picture comes to a bundle's size: the kernels by name. NumPy only.

swscale widens its kernels when it makes a picture smaller, which smooths it. Encoders that were
trained on pictures resized without that (PyTorch's `interpolate`) see another input than theirs
otherwise, so those kernels are computed here, from the few pixels they look at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Weights = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_CUBIC = -0.75  # the free parameter of PyTorch's cubic kernel


@dataclass(frozen=True, slots=True)
class Kernel:
    """`swscale`: the kernel to ask FFmpeg for, None where the picture is resized here.

    `crop` keeps the picture's proportions: its shorter side becomes the wanted one, and what the
    longer has too much is cut off on both ends.
    """

    swscale: str | None
    taps: Weights | None = None
    reach: int = 0  # pixels on either side of a place that count
    crop: bool = False


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic kernel at distances up to 2."""
    x = np.abs(distance)
    near = ((_CUBIC + 2) * x - (_CUBIC + 3)) * x**2 + 1
    far = _CUBIC * (((x - 5) * x + 8) * x - 4)
    weights: NDArray[np.float64] = np.where(x <= 1, near, np.where(x < 2, far, 0.0))
    return weights


def _linear(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.maximum(1 - np.abs(distance), 0.0)
    return weights


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        **{name: Kernel(name.upper()) for name in ("area", "bilinear", "bicubic", "lanczos")},
        "bicubic-unfiltered": Kernel(None, _cubic, 2),
        "bilinear-unfiltered-crop": Kernel(None, _linear, 1, crop=True),
    }
)


def resize(pixels: NDArray[np.uint8], width: int, height: int, kernel: Kernel) -> NDArray[np.uint8]:
    """A whole picture [H, W, 3] at the wanted size [height, width, 3], by a kernel with taps.

    Where PyTorch computes the same, it is the same up to one step of brightness.
    """
    rows, columns = pixels.shape[:2]
    if kernel.crop:
        tall, wide = _covering(rows, columns, height, width)
    else:
        tall, wide = height, width
    down = _places(rows, tall, height, kernel)
    across = _places(columns, wide, width, kernel)
    # [height, taps, W, 3] -> [height, W, 3], then the same along the width
    lines = np.einsum("htwc,ht->hwc", pixels[down[0]], down[1], optimize=True)
    made = np.einsum("hwtc,wt->hwc", lines[:, across[0]], across[1], optimize=True)
    resized: NDArray[np.uint8] = np.rint(made).clip(0, 255).astype(np.uint8)
    return resized


def _covering(rows: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """The smallest size of the picture's proportions that covers (height, width)."""
    if rows * width <= columns * height:
        return height, max(width, int(columns / rows * height))
    return max(height, int(rows / columns * width)), width


@lru_cache(maxsize=32)
def _places(
    given: int, whole: int, kept: int, kernel: Kernel
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Which pixels [kept, taps] of `given` each of the middle `kept` of `whole` sees, and how much.

    Pixel centres lie at halves, as in PyTorch (align_corners=False); edges repeat.
    """
    assert kernel.taps is not None
    first = round((whole - kept) / 2)
    centres = (np.arange(first, first + kept) + 0.5) * (given / whole) - 0.5  # [kept]
    offsets = np.arange(1 - kernel.reach, kernel.reach + 1)
    near = np.floor(centres)[:, None] + offsets  # [kept, taps]
    weights = kernel.taps(centres[:, None] - near)
    return near.clip(0, given - 1).astype(np.intp), weights.astype(np.float32)
