"""InternVideo2's attention pooling: all tokens of a clip to one vector.

Source: Wang et al., "InternVideo2" (ECCV 2024). Modules bear the names of the official tensors.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoder.internvideo2.config import VideoConfig
from encoder.internvideo2.layers import attend


class CrossAttention(nn.Module):
    """One query to all tokens; the biases are parameters of their own, as published."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.pool_heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.k_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, config.pooled)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """[B, 1, D] and [B, N, D] twice -> [B, 1, P]."""
        q = F.linear(query, self.q.weight, self.q_bias)
        k = F.linear(key, self.k.weight, self.k_bias)
        v = F.linear(value, self.v.weight, self.v_bias)
        out: Tensor = self.proj(attend(q, k, v, self.heads))
        return out


class AttentionPool(nn.Module):
    """The mean of the tokens asks all tokens, the clip's own included."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        self.norm1_q = nn.LayerNorm(config.width, eps=1e-5)
        self.norm1_k = nn.LayerNorm(config.width, eps=1e-5)
        self.norm1_v = nn.LayerNorm(config.width, eps=1e-5)
        self.cross_attn = CrossAttention(config)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, D] -> [B, P]."""
        # in float32: a sum of a thousand tokens is beyond float16's range, and coarse in bfloat16
        mean = tokens.float().mean(dim=1, keepdim=True).to(tokens.dtype)
        query, key, value = self.norm1_q(mean), self.norm1_k(tokens), self.norm1_v(tokens)
        out: Tensor = self.cross_attn(query, key, value).flatten(1)
        return out
