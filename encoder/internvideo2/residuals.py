"""How large the residual stream of a tower grows: what decides whether float16 can hold it."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoder.export import FromPixels
from encoder.internvideo2.tower import VideoTower
from encoder.space import EmbeddingSpace

FLOAT16_LIMIT = float(torch.finfo(torch.float16).max)
_MARGIN = 2.0  # real clips may go beyond those that are drawn


def residual_peaks(tower: VideoTower, pixels: Tensor) -> list[float]:
    """The largest |x| after each block, for normalised pixels [B, T, 3, H, W].

    Nothing normalises the stream between blocks: what passes `FLOAT16_LIMIT` here is infinity in a
    float16 graph. Measure in float32 or bfloat16, with real weights and real clips.
    """
    encoder = tower.vision_encoder
    peaks = []
    with torch.inference_mode():
        tokens = encoder.embed(pixels)
        for block in encoder.blocks:
            tokens = block(tokens)
            peaks.append(float(tokens.abs().max()))
    return peaks


def drawn_peaks(tower: VideoTower, space: EmbeddingSpace) -> tuple[float, ...]:
    """The largest |x| after each block over `hard_clips`, computed in float32."""
    measured = FromPixels(_Peaks(tower.in_precision(torch.float32)), space)
    clips = torch.from_numpy(hard_clips(space))
    each = torch.stack([measured(clip[None]) for clip in clips])  # [B, blocks]
    return tuple(each.amax(dim=0).tolist())


def hard_clips(space: EmbeddingSpace) -> NDArray[np.uint8]:
    """Clips at the ends of what pixels can be, [5, T, H, W, 3]: black, white, red, blue, noise."""
    shape = (space.frames_per_clip, space.height, space.width, 3)
    colours = ((0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255))
    plain = [np.broadcast_to(np.array(colour, np.uint8), shape) for colour in colours]
    return np.stack([*plain, np.random.default_rng(0).integers(0, 256, shape, np.uint8)])


def float16_problem(peaks: Sequence[float]) -> str:
    """Why float16 cannot hold a stream of these peaks, "" if it can with something to spare."""
    for block, peak in enumerate(peaks):
        if not peak * _MARGIN <= FLOAT16_LIMIT:  # a NaN is no smaller either
            return (
                f"after block {block} of {len(peaks)} the residual stream reaches {peak:.0f},"
                f" float16 ends at {FLOAT16_LIMIT:.0f}"
            )
    return ""


class _Peaks(nn.Module):
    """Normalised pixels [B, T, 3, H, W] -> the largest |x| after each block."""

    def __init__(self, tower: VideoTower) -> None:
        super().__init__()
        self._tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.tensor(residual_peaks(self._tower, pixels))
