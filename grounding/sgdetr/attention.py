"""Attention: the plain one without input projections, and the encoder's with a fused one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MASKED = -1e4  # additive; its exponential is 0 in every precision, and a row of it is not NaN


def key_bias(mask: Tensor) -> Tensor:
    """Additive attention bias [B, 1, 1, K] of a key mask [B, K] (1 valid, 0 padding)."""
    return ((1.0 - mask) * MASKED)[:, None, None, :]


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, L, heads * h] -> [B, heads, L, h]."""
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """[B, heads, L, h] -> [B, L, heads * h]."""
    return x.transpose(1, 2).flatten(-2)


class PlainAttention(nn.Module):
    """Multi-head attention whose only parameter is the output projection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.out_proj = nn.Linear(width, width)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, gate: Tensor | None = None
    ) -> Tensor:
        """`query` [B, Lq, *], `key` [B, Lk, *], `value` [B, Lk, width] -> [B, Lq, width].

        `bias` is added to the logits [B, heads, Lq, Lk]. `gate` [B, Lq] scales each query's row of
        attention weights without re-normalising: eq. 4 with the index that the official code uses.
        """
        mixed = F.scaled_dot_product_attention(
            split_heads(query, self.heads),
            split_heads(key, self.heads),
            split_heads(value, self.heads),
            attn_mask=bias,
            dropout_p=self.dropout if self.training else 0.0,
        )  # [B, heads, Lq, width / heads]
        joined = join_heads(mixed)
        if gate is not None:  # constant over keys, so it may follow the sum over them
            joined = joined * gate.unsqueeze(-1)
        out: Tensor = self.out_proj(joined)
        return out


class ProjectedAttention(nn.Module):
    """Self-attention with q = k = x + position, v = x; names as torch's MultiheadAttention."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor, position: Tensor, bias: Tensor) -> Tensor:
        """`x`, `position` [B, L, width], `bias` broadcast to [B, heads, L, L] -> [B, L, width]."""
        width = x.shape[-1]
        both = F.linear(
            x + position, self.in_proj_weight[: 2 * width], self.in_proj_bias[: 2 * width]
        )
        value = F.linear(x, self.in_proj_weight[2 * width :], self.in_proj_bias[2 * width :])
        query, key = torch.split(both, width, dim=-1)
        mixed = F.scaled_dot_product_attention(
            split_heads(query, self.heads),
            split_heads(key, self.heads),
            split_heads(value, self.heads),
            attn_mask=bias,
            dropout_p=self.dropout if self.training else 0.0,
        )
        out: Tensor = self.out_proj(join_heads(mixed))
        return out
