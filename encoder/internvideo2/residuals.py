"""How large the residual stream of a tower grows: what decides whether float16 can hold it."""

import torch
from torch import Tensor

from encoder.internvideo2.tower import VideoTower

FLOAT16_LIMIT = float(torch.finfo(torch.float16).max)


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
