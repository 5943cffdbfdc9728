"""Masks and regions in real pictures: what was under a mask is nowhere in a clip."""

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.clip import ClipFormat
from streamer.config import ReadOptions
from streamer.mask import Mask
from streamer.picture_area import Box, Polygon
from streamer.region import crop
from streamer.source import read_frames
from tests.streamer.media import SMALL, Video, draw, write_video

LEFT: Polygon = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
KERNELS = ["area", "bilinear", "bicubic", "lanczos"]
PLACES = st.integers(0, 100).map(lambda hundredth: hundredth / 100)


def first(path: Path, **options: object) -> NDArray[np.uint8]:
    given_options = {"camera_id": "yard", "clip_format": SMALL} | options
    return next(read_frames(str(path), ReadOptions(**given_options))).pixels  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [(64, 48), (31, 17), (300, 250)])
def test_what_is_masked_changes_nothing(tmp_path: Path, kernel: str, size: tuple[int, int]):
    """Two films that differ under the mask alone give the same pixels, wherever these are."""
    small = ClipFormat(4, *size, kernel)
    # The two columns on the left differ
    films = [film(tmp_path / f"{number}.mkv", number) for number in (0, 0b1100_1100_1100)]
    bare = [first(path, clip_format=small) for path in films]
    assert np.abs(bare[0].astype(int) - bare[1]).max() > 100
    masked = [first(path, clip_format=small, masks=(LEFT,)) for path in films]
    assert (masked[0] == masked[1]).all()
    assert not masked[0][:, : size[0] // 2 - 1].any()
    assert masked[0].any()


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"])
def test_nor_does_it_whatever_the_colours_are_stored_as(tmp_path: Path, pixel_format: str):
    """Colour is stored for two pixels each way: those along the edge are black for it."""
    corner: Polygon = ((0.0, 0.0), (0.51, 0.0), (0.51, 1.0), (0.0, 1.0))  # ends at an odd pixel
    whole = ClipFormat(1, 128, 96)
    films = [
        film(tmp_path / f"{number}.mkv", number, pixel_format) for number in (0, 0b1100_1100_1100)
    ]
    masked = [first(path, clip_format=whole, masks=(corner,)) for path in films]
    assert (masked[0] == masked[1]).all()


def film(path: Path, number: int, pixel_format: str = "yuv444p") -> Path:
    """A lossless picture that shows a number."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, pixel_format
        frame = av.VideoFrame.from_ndarray(draw(number), "rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(PLACES, PLACES), min_size=3, max_size=6).map(tuple),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
def test_any_polygon_at_any_size_is_black(white: Path, polygon: Polygon, size: tuple[int, int]):
    pixels = first(white, clip_format=ClipFormat(1, *size), masks=(polygon,))
    height, width, _ = pixels.shape
    whole = Mask((polygon,)).covers(128, 96)
    rows, columns = np.arange(height + 1) * 96 / height, np.arange(width + 1) * 128 / width
    for y in range(height):
        for x in range(width):
            seen = whole[
                int(rows[y]) : int(np.ceil(rows[y + 1])),
                int(columns[x]) : int(np.ceil(columns[x + 1])),
            ]
            if seen.all():  # what the pixel is made of
                assert pixels[y, x].max() == 0


@pytest.fixture(scope="module")
def white(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("white") / "white.mkv", 0b1111_1111_1111)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_masks_and_regions_are_of_the_picture_as_it_is_shown(tmp_path: Path, degrees: int):
    path = write_video(tmp_path / "a.mp4", Video(rotation=degrees), [0.1 * i for i in range(3)])
    shown = first(path)
    masked = first(path, masks=(LEFT,))
    assert not masked[:, :31].any()
    assert np.abs(masked[:, 34:].astype(int) - shown[:, 34:]).max() < 12
    right = first(path, region=(0.5, 0.0, 1.0, 1.0), clip_format=ClipFormat(1, 32, 48))
    assert np.abs(right.astype(int) - shown[:, 32:]).max() < 40


def test_a_region_is_cut_before_it_is_resized(tmp_path: Path):
    path = film(tmp_path / "a.mkv", 0b1000_0000_0000)  # white: the first of four columns, above
    box: Box = (0.0, 0.0, 0.25, 1 / 3)
    assert first(path, region=box).min() > 200
    assert first(path, region=(0.25, 0.0, 1.0, 1.0)).max() < 60
    assert first(path, region=(0.0, 0.0, 1.0, 1.0)).tolist() == first(path).tolist()


def test_a_mask_holds_within_a_region(tmp_path: Path):
    path = film(tmp_path / "a.mkv", 0b1111_1111_1111)
    pixels = first(path, masks=(LEFT,), region=(0.25, 0.0, 0.75, 1.0))
    assert not pixels[:, :32].any()
    assert pixels[:, 34:].min() > 200


def test_a_region_holds_every_pixel_that_it_touches():
    pixels = np.arange(10 * 10 * 3, dtype=np.uint8).reshape(10, 10, 3)
    assert crop(pixels, Mask(()), (0.11, 0.2, 0.31, 0.99)).shape == (8, 3, 3)
    assert crop(pixels, Mask(()), (0.995, 0.995, 1.0, 1.0)).shape == (1, 1, 3)
    cut = crop(pixels, Mask(()))
    assert (cut == pixels).all()
    assert cut is not pixels
