"""Pictures through JPEG: what comes back, and what is never decoded."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from streamer.errors import RecordError
from streamer.jpeg import MOST_PIXELS, decode_jpegs, encode_jpegs


def smooth(frames: int = 2, height: int = 24, width: int = 32) -> np.ndarray:
    """Slopes of colour, another for each frame [T, H, W, 3]."""
    t, y, x = np.mgrid[0:frames, 0:height, 0:width]
    return np.stack([40 * t + 3 * x, 255 - 4 * y, 2 * x + 3 * y], axis=-1).astype(np.uint8)


def saved(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_pictures_come_back_nearly_as_they_were():
    frames = smooth()
    back = decode_jpegs(encode_jpegs(frames), (2, 24, 32))
    assert back.shape == frames.shape
    assert np.abs(back.astype(int) - frames.astype(int)).mean() < 3


def test_fine_colour_is_kept():
    # Red and blue columns, one pixel wide: with subsampled colour they would be one purple
    frames = np.zeros((1, 16, 16, 3), np.uint8)
    frames[:, :, ::2, 0] = frames[:, :, 1::2, 2] = 255
    back = decode_jpegs(encode_jpegs(frames), (1, 16, 16)).astype(int)
    assert np.abs(back - frames).max() < 60


def test_a_view_is_encoded_as_seen():
    turned = smooth()[:, ::-1, ::-1]
    assert encode_jpegs(turned) == encode_jpegs(turned.copy())


def test_what_other_writers_make_is_read_too():
    picture = Image.fromarray(smooth()[0])
    for options in ({"progressive": True}, {"subsampling": 2}, {"optimize": True, "quality": 60}):
        assert decode_jpegs([saved(picture, **options)], (1, 24, 32)).shape == (1, 24, 32, 3)


def bomb(width: int = 65_000, height: int = 65_000) -> bytes:
    """A small JPEG whose head says that it is large."""
    (jpeg,) = encode_jpegs(smooth(1))
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


WHOLE = encode_jpegs(smooth(1))[0]


@pytest.mark.parametrize(
    ("jpegs", "words"),
    [
        ([], "0 JPEGs for 1 frames"),
        ([WHOLE, WHOLE], "2 JPEGs for 1 frames"),
        ([b""], "JPEG 0 does not decode"),
        ([WHOLE[:100]], "does not decode"),
        ([WHOLE[: len(WHOLE) // 2]], "does not decode"),
        ([bomb()], "RGB of 65000x65000, not RGB of 32x24"),
        ([bomb(width=33, height=24)], "33x24"),
        ([saved(Image.fromarray(smooth()[0]), "PNG")], "does not decode"),
        ([saved(Image.fromarray(smooth()[0]).convert("L"))], "is L of 32x24"),
        ([saved(Image.fromarray(smooth()[0]).convert("CMYK"))], "is CMYK of 32x24"),
    ],
)
def test_what_is_not_as_expected_is_refused(jpegs: list[bytes], words: str):
    with pytest.raises(RecordError, match=words):
        decode_jpegs(jpegs, (1, 24, 32))


@pytest.mark.parametrize("shape", [(0, 24, 32), (1, -24, 32), (1, MOST_PIXELS, 2)])
def test_no_room_is_made_for_shapes_that_cannot_be(shape: tuple[int, int, int]):
    with pytest.raises(RecordError, match="not decoded"):
        decode_jpegs([WHOLE], shape)


@given(st.binary(max_size=60), st.integers(2, len(WHOLE)))
def test_damaged_pictures_decode_or_are_refused(noise: bytes, at: int):
    try:
        frames = decode_jpegs([WHOLE[:at] + noise + WHOLE[at + len(noise) :]], (1, 24, 32))
    except RecordError:
        return
    assert frames.shape == (1, 24, 32, 3)
