"""Clips that travelled as JPEG mean the same to the encoder as raw ones.

The cosine is 0.99 and more for most of what a camera shows. The small tower is sensitive in
smooth and dark pictures, where noise of one grey level moves it more than JPEG does: a single
clip may lie just below.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from encoder.bundle import Bundle
from encoder.session import SessionOptions
from encoder.video import VideoEncoder
from streamer.clip import Clip
from streamer.config import ReadOptions
from streamer.cut import cut_clips
from streamer.record import pack_clip, unpack_clip
from streamer.source import read_frames


@pytest.fixture(scope="module")
def encoder(lite: Bundle) -> VideoEncoder:
    return VideoEncoder(lite, SessionOptions(threads=1))


def check_cosines(encoder: VideoEncoder, clips: Sequence[Clip]) -> None:
    """Of each clip to itself after a journey."""
    cosines = []
    for clip in clips:
        travelled = unpack_clip(pack_clip(clip, "jpeg"))
        assert travelled.frames.shape == clip.frames.shape
        raw, jpeg = (encoder.encode(each.frames[None])[0] for each in (clip, travelled))
        cosines.append(float(raw @ jpeg))
    assert np.mean(cosines) >= 0.99
    assert min(cosines) >= 0.985


def textured(bundle: Bundle, roughness: float, seed: int) -> Clip:
    """Pictures whose spectrum falls as that of photographs does: as 1 / f to some power."""
    space, random = bundle.space, np.random.default_rng(seed)
    fy = np.fft.fftfreq(space.height)[:, None]
    fx = np.fft.rfftfreq(space.width)[None, :]
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / space.width) ** roughness
    frames = np.empty((space.frames_per_clip, space.height, space.width, 3), np.uint8)
    noise = random.standard_normal((3, space.height, space.width))
    for number in range(space.frames_per_clip):
        moved = np.roll(noise, 5 * number, axis=2)
        planes = np.fft.irfft2(np.fft.rfft2(moved) * fall, s=(space.height, space.width))
        planes = planes / planes.std(axis=(1, 2), keepdims=True)
        mixed = 0.8 * planes.mean(axis=0, keepdims=True) + 0.4 * planes  # colours go together
        frames[number] = np.clip(128 + 50 * mixed, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return Clip("yard", 1, 0, 0.0, 2.0, 2.0, frames, "arrival")


@pytest.mark.parametrize("roughness", [0.6, 1.0, 1.5, 2.0])
def test_generated_textures(lite: Bundle, encoder: VideoEncoder, roughness: float) -> None:
    check_cosines(encoder, [textured(lite, roughness, seed) for seed in range(2)])


@pytest.mark.parametrize("name", ["street_accident.mp4", "grass_fire.mp4", "corridor_empty.mp4"])
def test_footage(lite: Bundle, encoder: VideoEncoder, shared: Path, name: str) -> None:
    path = shared / "clips" / name
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    options = ReadOptions("yard", lite.space.clip_format, to_seconds=4.0)
    clips = list(cut_clips(read_frames(str(path), options), lite.space.clip_format))
    assert clips
    check_cosines(encoder, clips)
