"""InternVideo2's video tower as one would write it down first: the baseline of `bench encode`.

Norms step by step, attention with all its scores in memory, one operator after another; from the
same tensors under their official names, in whatever precision they are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from encoder.internvideo2.config import VideoConfig

State = dict[str, Tensor]


def eager_embedding(state: State, config: VideoConfig, pixels: Tensor) -> Tensor:
    """Normalised pixels [B, T, 3, H, W] -> float32 [B, D] of norm 1."""
    encoder = _below(state, "vision_encoder")
    x = _patches(encoder, config, pixels.to(encoder["cls_token"].dtype))
    for number in range(config.depth):
        block = _below(encoder, f"blocks.{number}")
        x = x + _scaled(block, "ls1", _attention(block, config, _rms(block, "norm1", x)), config)
        x = x + _scaled(block, "ls2", _mlp(block, _rms(block, "norm2", x)), config)
    pooled = _pool(_below(encoder, "clip_projector"), config, x).float()
    if config.head == "align":
        pooled = _layer_norm(state, "vision_align.0", pooled)
    name = "vision_align.1" if config.head == "align" else "vision_proj"
    return F.normalize(_linear(state, name, pooled), dim=-1)


def _patches(encoder: State, config: VideoConfig, pixels: Tensor) -> Tensor:
    weight, bias = encoder["patch_embed.proj.weight"], encoder["patch_embed.proj.bias"]
    stride = (1, config.patch, config.patch)
    maps = F.conv3d(pixels.transpose(1, 2), weight, bias, stride)  # [B, D, T, h, w]
    tokens = maps.flatten(2).transpose(1, 2)  # [B, T * h * w, D]
    whole = encoder["cls_token"].expand(len(tokens), -1, -1)
    return torch.cat([whole, tokens], dim=1) + encoder["pos_embed"]


def _attention(block: State, config: VideoConfig, x: Tensor) -> Tensor:
    query, key, value = F.linear(x, block["attn.qkv.weight"]).chunk(3, dim=-1)
    query, key = _rms(block, "attn.q_norm", query), _rms(block, "attn.k_norm", key)
    return _linear(block, "attn.proj", _mix(query, key, value, config.heads))


def _mix(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    q, k, v = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # [B, heads, M, N]
    mixed: Tensor = scores.softmax(dim=-1) @ v  # [B, heads, M, D / heads]
    return mixed.transpose(1, 2).flatten(2)


def _mlp(block: State, x: Tensor) -> Tensor:
    return _linear(block, "mlp.fc2", F.gelu(_linear(block, "mlp.fc1", x)))


def _pool(pool: State, config: VideoConfig, x: Tensor) -> Tensor:
    attn = _below(pool, "cross_attn")
    mean = x.float().mean(dim=1, keepdim=True).to(x.dtype)
    query, key, value = (
        F.linear(_layer_norm(pool, f"norm1_{name}", given), attn[f"{name}.weight"])
        + attn[f"{name}_bias"]
        for name, given in (("q", mean), ("k", x), ("v", x))
    )
    return _linear(attn, "proj", _mix(query, key, value, config.pool_heads)).flatten(1)


def _rms(state: State, name: str, x: Tensor) -> Tensor:
    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(dim=-1, keepdim=True) + 1e-6)
    return wide.to(x.dtype) * state[f"{name}.weight"]


def _scaled(block: State, name: str, x: Tensor, config: VideoConfig) -> Tensor:
    gamma = block[f"{name}.gamma"]
    if config.layerscale_fp32:
        return (x.float() * gamma.float()).to(x.dtype)
    return x * gamma


def _linear(state: State, name: str, x: Tensor) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def _layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return F.layer_norm(x, weight.shape, weight, bias, 1e-5)


def _below(state: State, prefix: str) -> State:
    prefix += "."
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
