"""MobileCLIP-B's text tower, beside InternVideo2's distilled video towers.

Source: Vasu et al., "MobileCLIP" (CVPR 2024). Modules bear the names of the published tensors.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class MobileClipConfig:
    """Sizes; the defaults are MobileCLIP-B's."""

    width: int = 512
    layers: int = 12
    heads: int = 8
    hidden: int = 2048
    words: int = 49408
    positions: int = 77
    joint: int = 512


class _Attention(nn.Module):
    """Self-attention in which no token sees those after it."""

    def __init__(self, config: MobileClipConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv_proj = nn.Linear(config.width, 3 * config.width)
        self.out_proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        batch, tokens, width = x.shape
        split = self.qkv_proj(x).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each [B, heads, N, D / heads]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=_causal(tokens, x))
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


def _causal(tokens: int, like: Tensor) -> Tensor:
    """[N, N]: 0 where a token may look, a large negative number after it."""
    places = torch.arange(tokens, device=like.device)
    return (places[None, :] > places[:, None]).to(like.dtype) * -1e9


class _Layer(nn.Module):
    """Attention and feed-forward maps, each normalised before and added after."""

    def __init__(self, config: MobileClipConfig) -> None:
        super().__init__()
        width = config.width
        self.pre_norm_mha = nn.Sequential(nn.LayerNorm(width), _Attention(config))
        self.pre_norm_ffn = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, config.hidden),
            nn.GELU(),
            nn.Identity(),  # dropout in training: the published names count it
            nn.Linear(config.hidden, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        x = x + self.pre_norm_mha(x)
        out: Tensor = x + self.pre_norm_ffn(x)
        return out


class _Positions(nn.Module):
    """The learned positions [1, 1, N, D]."""

    pos_embed: Tensor

    def __init__(self, config: MobileClipConfig) -> None:
        super().__init__()
        start = torch.randn(1, 1, config.positions, config.width) * 0.02
        self.pos_embed = nn.Parameter(start)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D], each token told its place."""
        return x + self.pos_embed[0, 0, : x.shape[1]]


class MobileClipText(nn.Module):
    """A sentence's vector from its end mark, the token with the largest id.

    Officially texts are padded to all 77 positions. A token sees only those before it, so what is
    padded after the end mark changes nothing and is left out here.
    """

    projection_layer: Tensor

    def __init__(self, config: MobileClipConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding_layer = nn.Embedding(config.words, config.width)
        # two modules deep, as published
        self.positional_embedding = nn.ModuleDict({"pos_embed": _Positions(config)})
        self.transformer = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.final_layer_norm = nn.LayerNorm(config.width)
        start = torch.randn(config.width, config.joint) * config.width**-0.5
        self.projection_layer = nn.Parameter(start)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """int64 [B, N] twice -> pooled [B, D] of norm 1, tokens [B, N, D] of any norm."""
        x = self.embedding_layer(input_ids)
        x = self.positional_embedding["pos_embed"](x)
        for layer in self.transformer:
            x = layer(x)
        tokens = self.final_layer_norm(x) @ self.projection_layer
        end = (input_ids * attention_mask).argmax(dim=1)  # [B]
        chosen = end[:, None, None].expand(-1, 1, tokens.shape[2])
        return F.normalize(tokens.gather(1, chosen)[:, 0], dim=-1), tokens
