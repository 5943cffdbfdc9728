"""The layers of InternVideo2's video towers, under the names of the official tensors.

Source: Wang et al., "InternVideo2" (ECCV 2024). Inference only: no dropout, no masking.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoder.internvideo2.config import VideoConfig

EPS = 1e-6


class RMSNorm(nn.Module):
    """x / rms(x) * weight, with statistics in float32 whatever the precision of x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return F.rms_norm(x, self.weight.shape, self.weight, EPS)


class LayerScale(nn.Module):
    """A factor for every channel."""

    def __init__(self, width: int, in_float32: bool) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.in_float32 = in_float32

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        if self.in_float32:
            return (x.float() * self.gamma.float()).to(x.dtype)
        return x * self.gamma


class SelfAttention(nn.Module):
    """Every token to every token; queries and keys are normalised over the whole width."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.q_norm = RMSNorm(config.width)
        self.k_norm = RMSNorm(config.width)
        self.proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        mixed = attend(self.q_norm(query), self.k_norm(key), value, self.heads)
        out: Tensor = self.proj(mixed)
        return out


class MLP(nn.Module):
    """Widen, GELU (the exact one), narrow."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.width, config.mlp_hidden)
        self.fc2 = nn.Linear(config.mlp_hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Attention and MLP, each normalised before, scaled and added after."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        self.norm1 = RMSNorm(config.width)
        self.attn = SelfAttention(config)
        self.ls1 = LayerScale(config.width, config.layerscale_fp32)
        self.norm2 = RMSNorm(config.width)
        self.mlp = MLP(config)
        self.ls2 = LayerScale(config.width, config.layerscale_fp32)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return out


class PatchEmbed(nn.Module):
    """Patches of single frames to tokens.

    The published weight is that of a 3-D convolution one frame deep, which is a 2-D convolution of
    every frame: `state_dict` says it as published, [D, 3, 1, p, p].
    """

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.width, config.patch, config.patch)
        # torch leaves these two without types
        self.register_state_dict_post_hook(_with_depth)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_without_depth)  # type: ignore[no-untyped-call]

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, T, 3, H, W] -> [B, T * h * w, D]: frame by frame, row by row."""
        batch, frames = pixels.shape[:2]
        maps: Tensor = self.proj(pixels.flatten(0, 1))  # [B * T, D, h, w]
        tokens = maps.flatten(2).transpose(1, 2)
        return tokens.reshape(batch, frames * tokens.shape[1], tokens.shape[2])


def _with_depth(_module: nn.Module, state: dict[str, Any], prefix: str, *_rest: Any) -> None:
    key = f"{prefix}proj.weight"
    state[key] = state[key].unsqueeze(2)


def _without_depth(_module: nn.Module, state: dict[str, Any], prefix: str, *_rest: Any) -> None:
    key = f"{prefix}proj.weight"
    state[key] = state[key].squeeze(2)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention in heads: query [B, M, D], key and value [B, N, D] -> [B, M, D]."""
    q, k, v = (_heads(x, heads) for x in (query, key, value))
    mixed = F.scaled_dot_product_attention(q, k, v)
    return mixed.transpose(1, 2).flatten(2)


def _heads(x: Tensor, heads: int) -> Tensor:
    batch, tokens, width = x.shape
    return x.view(batch, tokens, heads, width // heads).transpose(1, 2)  # [B, heads, N, D / heads]
