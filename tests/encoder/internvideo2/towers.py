"""Small towers for tests, and the same arithmetic in NumPy, in double precision and plain steps."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import erf, softmax
from torch import Tensor

from encoder.internvideo2.config import VideoConfig
from encoder.internvideo2.initialise import random_tower
from encoder.internvideo2.tower import VideoTower
from encoder.space import EmbeddingSpace

STAGE2 = VideoConfig(
    width=176,
    depth=2,
    heads=2,
    mlp_hidden=256,
    pool_heads=2,
    frames=4,
    pooled=96,
    joint=64,
    image=56,
    image_table=True,
)
DISTILLED = replace(
    STAGE2, width=128, heads=2, frames=8, head="align", image_table=False, layerscale_fp32=False
)
Array = NDArray[np.float64]


def space_of(config: VideoConfig) -> EmbeddingSpace:
    return EmbeddingSpace(
        model="internvideo2-small",
        dims=config.joint,
        clip_seconds=2.0,
        frames_per_clip=config.frames,
        width=config.image,
        height=config.image,
        kernel="bicubic",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


def pixels_for(config: VideoConfig, batch: int = 2, frames: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    shape = (batch, frames or config.frames, 3, config.image, config.image)
    return torch.randn(shape, generator=generator)


def official_state(config: VideoConfig, seed: int = 0) -> dict[str, Tensor]:
    """What a checkpoint of this size holds of the video tower."""
    return dict(random_tower(config, seed=seed).state_dict())


class Twin:
    """A tower's forward pass in NumPy."""

    def __init__(self, tower: VideoTower) -> None:
        self.config = tower.config
        self.w = {key: value.double().numpy() for key, value in tower.state_dict().items()}

    def embedding(self, pixels: Tensor) -> Array:
        x = self.tokens(pixels.double().numpy())
        for i in range(self.config.depth):
            x = self.block(x, f"vision_encoder.blocks.{i}.")
        vectors = self.head(self.pool(x))
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)

    def tokens(self, pixels: Array) -> Array:
        kernel = self.w["vision_encoder.patch_embed.proj.weight"][:, :, 0]  # [D, 3, p, p]
        bias = self.w["vision_encoder.patch_embed.proj.bias"]
        size, rows = self.config.patch, []
        for frame in np.moveaxis(pixels, 1, 0):  # [B, 3, H, W]
            for top in range(0, frame.shape[2], size):
                for left in range(0, frame.shape[3], size):
                    patch = frame[:, :, top : top + size, left : left + size]
                    rows.append(np.einsum("bchw,dchw->bd", patch, kernel) + bias)
        patches = np.stack(rows, axis=1)
        whole = np.broadcast_to(
            self.w["vision_encoder.cls_token"], (len(pixels), 1, patches.shape[2])
        )
        return np.concatenate([whole, patches], axis=1) + self.positions(pixels.shape[1])

    def positions(self, frames: int) -> Array:
        table = self.w["vision_encoder.pos_embed"]
        if frames == self.config.frames:
            return table
        if self.config.image_table:
            return self.w["vision_encoder.img_pos_embed"]
        patches = table[:, 1:].reshape(1, self.config.frames, -1, table.shape[2])
        return np.concatenate([table[:, :1], patches.mean(axis=1)], axis=1)

    def block(self, x: Array, name: str) -> Array:
        y = _rms(x, self.w[f"{name}norm1.weight"]) @ self.w[f"{name}attn.qkv.weight"].T
        q, k, v = np.split(y, 3, axis=-1)
        q = _rms(q, self.w[f"{name}attn.q_norm.weight"])
        k = _rms(k, self.w[f"{name}attn.k_norm.weight"])
        x = x + self.w[f"{name}ls1.gamma"] * self.linear(
            _attend(q, k, v, self.config.heads), f"{name}attn.proj"
        )
        y = self.linear(_rms(x, self.w[f"{name}norm2.weight"]), f"{name}mlp.fc1")
        y = self.linear(y * 0.5 * (1 + erf(y / np.sqrt(2))), f"{name}mlp.fc2")
        return x + self.w[f"{name}ls2.gamma"] * y

    def pool(self, x: Array) -> Array:
        name = "vision_encoder.clip_projector."
        parts = []
        for letter, source in (("q", x.mean(axis=1, keepdims=True)), ("k", x), ("v", x)):
            normed = self.norm(source, f"{name}norm1_{letter}")
            matrix = self.w[f"{name}cross_attn.{letter}.weight"]
            parts.append(normed @ matrix.T + self.w[f"{name}cross_attn.{letter}_bias"])
        mixed = _attend(*parts, self.config.pool_heads)
        return self.linear(mixed, f"{name}cross_attn.proj")[:, 0]

    def head(self, pooled: Array) -> Array:
        if self.config.head == "projection":
            return self.linear(pooled, "vision_proj")
        return self.linear(self.norm(pooled, "vision_align.0"), "vision_align.1")

    def linear(self, x: Array, name: str) -> Array:
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return scaled * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]


def _rms(x: Array, weight: Array) -> Array:
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * weight


def _attend(q: Array, k: Array, v: Array, heads: int) -> Array:
    out = []
    for a, b, c in zip(*(np.split(x, heads, axis=-1) for x in (q, k, v)), strict=True):
        scores = a @ np.swapaxes(b, 1, 2) / np.sqrt(a.shape[-1])
        out.append(softmax(scores, axis=-1) @ c)
    return np.concatenate(out, axis=-1)
