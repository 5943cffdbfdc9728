"""What a video tower costs, from its sizes alone (no torch import)."""

from encoder.internvideo2.config import VideoConfig


def clip_flops(config: VideoConfig, frames: int | None = None) -> int:
    """Floating point operations for one clip of `frames` (the configuration's unless given).

    A multiply-add counts as two. Norms, GELU and softmax are left out: far below one percent.
    """
    frames = config.frames if frames is None else frames
    width, patches = config.width, frames * config.grid**2
    tokens = 1 + patches
    embedding = 2 * patches * 3 * config.patch**2 * width
    linear = 8 * tokens * width**2 + 4 * tokens * width * config.mlp_hidden
    attention = 4 * tokens**2 * width
    pooling = (4 * tokens + 2) * width**2 + 4 * tokens * width + 2 * width * config.pooled
    head = 2 * config.pooled * config.joint
    return embedding + config.depth * (linear + attention) + pooling + head


def attention_share(config: VideoConfig, frames: int | None = None) -> float:
    """The part of `clip_flops` that multiplies queries by keys and weights by values."""
    frames = config.frames if frames is None else frames
    tokens = 1 + frames * config.grid**2
    return config.depth * 4 * tokens**2 * config.width / clip_flops(config, frames)
