"""A bundle's graphs against the towers they came from, on drawn clips and plain texts."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from encoder.bundle import Bundle
from encoder.errors import ModelError
from encoder.export import FromPixels
from encoder.internvideo2.tokenizer_file import read_tokenizer
from encoder.internvideo2.towers import Towers
from encoder.session import SessionOptions
from encoder.space import EmbeddingSpace
from encoder.text import TextEncoder
from encoder.video import VideoEncoder

LEAST_COSINE = 0.9999
UNIT_ERROR = 1e-3
TEXTS = ("a red square moves to the right", "a person falls down", "nothing happens")


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The lowest cosines between what the bundle and what the towers say."""

    video_cosine: float
    text_cosine: float
    token_cosine: float


def compare_towers(bundle: Bundle, towers: Towers) -> SelfTest:
    """Run the bundle's two encoders on a CPU as the pipeline does, and the towers beside them.

    Raises ModelError if they disagree, or if a vector is not finite or not of norm 1.
    """
    cpu = SessionOptions(device="cpu")
    video = _video_cosine(VideoEncoder(bundle, cpu), towers, bundle.space)
    text, token = _text_cosines(TextEncoder(bundle, cpu), towers, bundle)
    found = SelfTest(video, text, token)
    if not min(video, text, token) >= LEAST_COSINE:
        raise ModelError(
            f"the bundle does not say what the checkpoint says: cosines are {video:.6f} for clips,"
            f" {text:.6f} for texts and {token:.6f} for their tokens; at least {LEAST_COSINE}"
        )
    return found


def drawn_clips(space: EmbeddingSpace) -> NDArray[np.uint8]:
    """Two clips [2, T, H, W, 3]: a red square moving over a slope of grey, and a still one."""
    frames, height, width = space.frames_per_clip, space.height, space.width
    slope = np.linspace(0, 255, width).astype(np.uint8)
    clips = np.empty((2, frames, height, width, 3), np.uint8)
    clips[:] = slope[:, None]
    side = max(1, width // 4)
    for number in range(frames):
        left = (width - side) * number // max(1, frames - 1)
        clips[0, number, height // 2 :, left : left + side] = (220, 20, 20)
    clips[1, :, height // 2 :, :side] = (20, 200, 20)
    return clips


def _video_cosine(encoder: VideoEncoder, towers: Towers, space: EmbeddingSpace) -> float:
    clips = drawn_clips(space)
    got = np.concatenate([encoder.encode(clips[row : row + 1]) for row in range(len(clips))])
    with torch.inference_mode():
        wanted = FromPixels(towers.video, space)(torch.from_numpy(clips)).numpy()
    _require_unit("a clip's vector", got)
    return _lowest_cosine(got, wanted)


def _text_cosines(encoder: TextEncoder, towers: Towers, bundle: Bundle) -> tuple[float, float]:
    tokenizer = read_tokenizer(bundle.path("tokenizer"))
    lowest, lowest_token = 1.0, 1.0
    for features in encoder.encode(TEXTS):
        ids = torch.tensor([tokenizer.encode(features.text).ids])
        with torch.inference_mode():
            pooled, tokens = towers.text(ids, torch.ones_like(ids))
        _require_unit("a text's vector", features.pooled[None])
        lowest = min(lowest, _lowest_cosine(features.pooled[None], pooled.numpy()))
        lowest_token = min(lowest_token, _lowest_cosine(features.tokens, tokens[0].numpy()))
    return lowest, lowest_token


def _require_unit(what: str, vectors: NDArray[np.float32]) -> None:
    norms = np.linalg.norm(vectors, axis=-1)
    if not np.abs(norms - 1).max() <= UNIT_ERROR:  # a NaN is no smaller either
        raise ModelError(f"{what} has the norm {norms.tolist()}, not 1: the graph is not whole")


def _lowest_cosine(got: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Of matching rows; in float64, so that equal rows give 1."""
    left, right = got.astype(np.float64), wanted.astype(np.float64)
    norms = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    return float(((left * right).sum(axis=-1) / norms).min())
