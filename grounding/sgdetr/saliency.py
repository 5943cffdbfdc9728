"""Saliency: pooled sentence against clip (local), and after seeing the whole window (global)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.sgdetr.attention import PlainAttention, key_bias
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.layers import FeedForward


class PoolingLayer(nn.Module):
    """One learned query reads the (re-normalised) text."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.attn = PlainAttention(config.width, config.heads, config.pooling_dropout)
        self.attn_norm = nn.LayerNorm(config.width)
        self.ffn_norm = nn.LayerNorm(config.width)
        self.ffn = FeedForward(config.width, config.ffn_width, config.dropout)

    def forward(self, query: Tensor, text: Tensor, bias: Tensor) -> Tensor:
        """`query` [B, 1, d], `text` [B, N, d] -> [B, 1, d]."""
        text = self.attn_norm(text)
        query = query + self.attn(query, text, text, bias)
        pooled: Tensor = query + self.ffn(self.ffn_norm(query))
        return pooled


class SentencePooling(nn.Module):
    """Text tokens to one vector by attention of a learned query."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.cls_q = nn.Parameter(torch.empty(config.width))
        self.layers = nn.ModuleList(PoolingLayer(config) for _ in range(config.pooling_layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(self, text: Tensor, mask: Tensor) -> Tensor:
        """`text` [B, N, d], `mask` [B, N] -> F_sent [B, 1, d], not normalised."""
        bias = key_bias(mask)
        query: Tensor = self.cls_q.expand(text.shape[0], 1, -1)
        for number, layer in enumerate(self.layers):
            if number:  # between layers only
                query = self.norm(query)
            query = layer(query, text, bias)
        return query


class LocalSaliencyHead(nn.Module):
    """S_local = exp(temp) * cos(F_sent, clip) + a (eq. 2)."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.temp = nn.Parameter(torch.tensor(config.temperature_init))
        self.a_param = nn.Parameter(torch.tensor(config.saliency_bias))
        self.sentence_pooling = SentencePooling(config)

    def forward(self, text: Tensor, mask: Tensor) -> Tensor:
        """The pooled sentence F_sent [B, 1, d] of projected text [B, N, d]."""
        pooled: Tensor = self.sentence_pooling(text, mask)
        return pooled

    def score(self, sentence: Tensor, clips: Tensor) -> Tensor:
        """Logits [B, L] of `clips` [B, L, d] for `sentence` [B, 1, d]."""
        cosine = (unit_rows(clips) * unit_rows(sentence)).sum(dim=-1)
        return self.temp.exp() * cosine + self.a_param


class SaliencyAmplifier(nn.Module):
    """SA(x, S) = x + x * sigmoid(S): strengthens salient clips; has no parameters."""

    def forward(self, x: Tensor, saliency: Tensor) -> Tensor:
        """`x` [B, L, d], `saliency` [B, L] logits -> [B, L, d]."""
        return x + x * saliency.sigmoid().unsqueeze(-1)


def unit_rows(x: Tensor) -> Tensor:
    """Rows of norm 1 along the last axis."""
    return F.normalize(x, dim=-1, eps=1e-8)
