"""BERT in PyTorch, any size: MiniLM and the text half of InternVideo2's Stage 2 are both it.

Source: Devlin et al., "BERT" (NAACL 2019). No dropout, no pooler, one sentence: only what reading
a text needs.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_MASKED = -1e9  # finite: a row that is masked throughout must not become NaN


@dataclass(frozen=True, slots=True)
class BertConfig:
    """Sizes of a BERT."""

    width: int
    layers: int
    heads: int
    hidden: int  # of the feed-forward maps
    words: int = 30522
    positions: int = 512


class Block(nn.Module):
    """One transformer layer, normalised after each sum as in BERT."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.widen = nn.Linear(width, config.hidden)
        self.narrow = nn.Linear(config.hidden, width)
        self.output_norm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x [B, N, D], bias [B, 1, 1, N] added to the attention's logits -> [B, N, D]."""
        query, key, value = (self._split(part(x)) for part in (self.query, self.key, self.value))
        logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # [B, heads, N, N]
        mixed = ((logits + bias).softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        x = self.attention_norm(x + self.merge(mixed))
        out: Tensor = self.output_norm(x + self.narrow(F.gelu(self.widen(x))))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, heads, N, D / heads]."""
        batch, tokens, width = x.shape
        return x.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)


class Bert(nn.Module):
    """Word pieces to contextual tokens."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.words, config.width)
        self.positions = nn.Embedding(config.positions, config.width)
        self.types = nn.Embedding(2, config.width)
        self.norm = nn.LayerNorm(config.width, eps=1e-12)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask int64 [B, N] (mask 1 = real) -> last_hidden [B, N, D]."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)[None]  # [1, N]
        pair = torch.zeros_like(places)  # there is no second sentence
        x: Tensor = self.norm(self.words(input_ids) + self.positions(places) + self.types(pair))
        bias = (1.0 - attention_mask.to(x.dtype))[:, None, None, :] * _MASKED
        for block in self.blocks:
            x = block(x, bias)
        return x

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        """Load a published state dict (`encoder.layer.0.attention.self.query.weight`...).

        The pooler and the constant position ids take no part in reading a text and are left out;
        any other tensor missing or left over raises RuntimeError (torch's).
        """
        own = {own_name(k): v for k, v in state.items() if not k.startswith(UNUSED)}
        self.load_state_dict(own)


UNUSED = ("pooler.", "embeddings.position_ids")
_OUTER = {
    "embeddings.word_embeddings": "words",
    "embeddings.position_embeddings": "positions",
    "embeddings.token_type_embeddings": "types",
    "embeddings.LayerNorm": "norm",
}
_INNER = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "merge",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "widen",
    "output.dense": "narrow",
    "output.LayerNorm": "output_norm",
}


def own_name(published: str) -> str:
    """The name of a published tensor in `Bert`; unknown names stay as they are."""
    module, _, leaf = published.rpartition(".")
    inner = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", module)
    if inner and inner[2] in _INNER:
        return f"blocks.{inner[1]}.{_INNER[inner[2]]}.{leaf}"
    return f"{_OUTER[module]}.{leaf}" if module in _OUTER else published
