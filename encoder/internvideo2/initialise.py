"""Random weights as the published models started from, for measurements and tests without any."""

import math
import re

import torch
from torch import nn

from encoder.internvideo2.config import VideoConfig
from encoder.internvideo2.tower import VideoTower

SPREAD = 0.02
_OUTPUT = re.compile(r"blocks\.(\d+)\.(attn\.proj|mlp\.fc2)\.weight$")


def random_tower(
    config: VideoConfig,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> VideoTower:
    """A tower that was never trained, ready for inference; its memory holds the weights once.

    LayerScale's factors are about 0.5, not the 1e-5 that training starts from: with those every
    block would be lost in rounding, and a comparison would compare nothing. `dtype` is the
    encoder's; the last map stays float32.
    """
    with torch.device("meta"):
        tower = VideoTower(config)
    tower.vision_encoder.to(dtype)
    tower.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            _fill(name, parameter, generator)
            if found := _OUTPUT.search(name):  # so that the stream's variance does not grow
                parameter.div_(math.sqrt(2 * (int(found[1]) + 1)))
    return tower.requires_grad_(False).eval()


def _fill(name: str, parameter: nn.Parameter, generator: torch.Generator) -> None:
    if name.endswith(".gamma"):
        parameter.normal_(0.5, 0.1, generator=generator)
    elif parameter.dim() == 1 and name.endswith(".weight"):
        parameter.normal_(1.0, 0.1, generator=generator)
    else:
        parameter.normal_(0.0, SPREAD, generator=generator)
        parameter.clamp_(-2 * SPREAD, 2 * SPREAD)
