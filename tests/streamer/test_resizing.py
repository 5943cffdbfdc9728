"""Kernels that FFmpeg does not have, against hand-made pixels and against PyTorch's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.resizing import KERNELS, resize

BICUBIC = KERNELS["bicubic-unfiltered"]
CROP = KERNELS["bilinear-unfiltered-crop"]
sizes = st.integers(1, 40)


def picture(height: int, width: int) -> np.ndarray:
    seed = np.random.default_rng(height * 1000 + width)
    return seed.integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_torch(pixels: np.ndarray, height: int, width: int, mode: str) -> np.ndarray:
    """What torchvision's Resize does with a uint8 tensor when it does not antialias."""
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    made = F.interpolate(batch, (height, width), mode=mode, align_corners=False)
    return made.clamp(0, 255).round()[0].permute(1, 2, 0).byte().numpy()


def test_bicubic_without_smoothing_skips_the_pixels_between() -> None:
    """To a quarter, each pixel comes of four neighbours only, with weights known by hand."""
    row = np.zeros((1, 16, 3), np.uint8)
    row[:, 5:7] = 100  # places 5 and 6 are the two nearest to the second pixel's centre, 5.5
    row[:, 3] = 200  # beyond its reach
    wide = np.repeat(row, 16, axis=0)
    made = resize(wide, 4, 4, BICUBIC)
    # The weights at a distance of 1/2 and 3/2 are 0.59375 and -0.09375
    assert made[0, :, 0].tolist() == [0, round(2 * 0.59375 * 100), 0, 0]
    row[:, 4] = 200
    made = resize(np.repeat(row, 16, axis=0), 4, 4, BICUBIC)
    assert made[0, 1, 0] == round(2 * 0.59375 * 100 - 0.09375 * 200)


def test_the_crop_takes_the_middle_and_keeps_proportions() -> None:
    wide = np.zeros((2, 6, 3), np.uint8)
    wide[:, 2:4] = 250
    assert (resize(wide, 2, 2, CROP) == 250).all()
    tall = wide.transpose(1, 0, 2).copy()
    assert (resize(tall, 2, 2, CROP) == 250).all()
    assert resize(wide, 4, 4, CROP)[0].tolist() == resize(wide, 4, 4, CROP)[3].tolist()


@settings(max_examples=60)
@given(rows=sizes, columns=sizes, height=sizes, width=sizes)
def test_bicubic_is_pytorchs(rows: int, columns: int, height: int, width: int) -> None:
    pixels = picture(rows, columns)
    wanted = by_torch(pixels, height, width, "bicubic")
    made = resize(pixels, width, height, BICUBIC)
    assert np.abs(made.astype(int) - wanted).max() <= 1


@settings(max_examples=60)
@given(rows=sizes, columns=sizes, side=sizes)
def test_the_crop_is_pytorchs_of_the_shorter_side(rows: int, columns: int, side: int) -> None:
    pixels = picture(rows, columns)
    if columns < rows:
        tall, wide = int(rows / columns * side), side
    else:
        tall, wide = side, int(columns / rows * side)
    whole = by_torch(pixels, tall, wide, "bilinear")
    top, left = round((tall - side) / 2), round((wide - side) / 2)
    wanted = whole[top : top + side, left : left + side]
    made = resize(pixels, side, side, CROP)
    assert made.shape == (side, side, 3)
    assert np.abs(made.astype(int) - wanted).max() <= 1


def test_the_kernels_of_ffmpeg_keep_their_names() -> None:
    names = {name: kernel.swscale for name, kernel in KERNELS.items() if kernel.swscale}
    assert names == {name: name.upper() for name in ("area", "bilinear", "bicubic", "lanczos")}


@pytest.mark.parametrize("name", ["bicubic-unfiltered", "bilinear-unfiltered-crop"])
def test_a_plain_picture_stays_plain(name: str) -> None:
    grey = np.full((108, 192, 3), 77, np.uint8)
    assert (resize(grey, 56, 56, KERNELS[name]) == 77).all()
