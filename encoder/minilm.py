"""all-MiniLM-L6-v2 in PyTorch: the sentence tower of `watchword-lite` (training and export).

Sources: Devlin et al., "BERT" (NAACL 2019); Wang et al., "MiniLM" (NeurIPS 2020); Reimers and
Gurevych, "Sentence-BERT" (EMNLP 2019) for the mean pooling. No dropout: the tower stays frozen.
"""

import math
import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 384
LAYERS = 6
HEADS = 12
HIDDEN = 1536
WORDS = 30522
POSITIONS = 512
_MASKED = -1e9  # finite: a row that is masked throughout must not become NaN


class Block(nn.Module):
    """One transformer layer, normalised after each sum as in BERT."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.merge = nn.Linear(WIDTH, WIDTH)
        self.attention_norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.widen = nn.Linear(WIDTH, HIDDEN)
        self.narrow = nn.Linear(HIDDEN, WIDTH)
        self.output_norm = nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x [B, N, 384], bias [B, 1, 1, N] added to the attention's logits -> [B, N, 384]."""
        query, key, value = (_heads(part(x)) for part in (self.query, self.key, self.value))
        logits = query @ key.transpose(-1, -2) / math.sqrt(WIDTH / HEADS)  # [B, heads, N, N]
        mixed = ((logits + bias).softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        x = self.attention_norm(x + self.merge(mixed))
        out: Tensor = self.output_norm(x + self.narrow(F.gelu(self.widen(x))))
        return out


def _heads(x: Tensor) -> Tensor:
    batch, tokens, _ = x.shape
    return x.view(batch, tokens, HEADS, WIDTH // HEADS).transpose(1, 2)  # [B, heads, N, 32]


class MiniLM(nn.Module):
    """Word pieces to contextual tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.positions = nn.Embedding(POSITIONS, WIDTH)
        self.types = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids, attention_mask int64 [B, N] (mask 1 = real) -> last_hidden [B, N, 384]."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)[None]  # [1, N]
        pair = torch.zeros_like(places)  # there is no second sentence
        x: Tensor = self.norm(self.words(input_ids) + self.positions(places) + self.types(pair))
        bias = (1.0 - attention_mask.to(x.dtype))[:, None, None, :] * _MASKED
        for block in self.blocks:
            x = block(x, bias)
        return x

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        """Load the published state dict (`encoder.layer.0.attention.self.query.weight`...).

        The pooler and the constant position ids take no part in sentence embeddings and are left
        out; any other tensor missing or left over raises RuntimeError (torch's).
        """
        unused = ("pooler.", "embeddings.position_ids")
        own = {_own_name(k): v for k, v in state.items() if not k.startswith(unused)}
        self.load_state_dict(own)


def mean_pool(last_hidden: Tensor, mask: Tensor) -> Tensor:
    """Unit mean of the real tokens, [B, N, 384] and [B, N] -> [B, 384]: the sentence's vector."""
    weight = mask.to(last_hidden.dtype)[:, :, None]
    return F.normalize((last_hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1), dim=-1)


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


def _own_name(published: str) -> str:
    """The name of a published tensor in `MiniLM`; unknown names stay as they are."""
    module, _, leaf = published.rpartition(".")
    inner = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", module)
    if inner and inner[2] in _INNER:
        return f"blocks.{inner[1]}.{_INNER[inner[2]]}.{leaf}"
    return f"{_OUTER[module]}.{leaf}" if module in _OUTER else published
