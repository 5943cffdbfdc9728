"""MiniLM's hidden states of many texts, computed once and read in padded batches."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

MAX_TOKENS = 40  # SG-DETR's max_query_length


@dataclass(frozen=True, slots=True, eq=False)
class TokenStore:
    """Hidden states of texts, one after another in one array."""

    hidden: NDArray[np.float16]  # [sum of lengths, 384]
    offsets: NDArray[np.int64]  # [texts + 1]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Texts `rows` [B] -> hidden states [B, N, 384] and mask [B, N], both float32."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        width = int(lengths.max())
        mask = np.arange(width)[None] < lengths[:, None]  # [B, N]
        hidden = np.zeros((len(rows), width, self.hidden.shape[1]), np.float32)
        hidden[mask] = np.concatenate(
            [self.hidden[self.offsets[row] : self.offsets[row + 1]] for row in rows]
        )
        return torch.from_numpy(hidden), torch.from_numpy(mask.astype(np.float32))

    def means(self) -> Tensor:
        """The unit mean hidden state of every text, [texts, 384]: MiniLM's own sentence vector."""
        sums = np.add.reduceat(self.hidden.astype(np.float32), self.offsets[:-1], axis=0)
        return torch.nn.functional.normalize(torch.from_numpy(sums), dim=-1)


def store_tokens(
    minilm: nn.Module, tokenizer: Tokenizer, texts: Sequence[str], cache: Path
) -> TokenStore:
    """The hidden states of `texts`, read from the folder `cache` if they were computed before."""
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = cache / f"tokens-{digest}.npz"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        made = _compute(minilm, tokenizer, texts)
        np.savez(path, hidden=made.hidden, offsets=made.offsets)
    with np.load(path) as arrays:
        return TokenStore(arrays["hidden"], arrays["offsets"])


def _compute(
    minilm: nn.Module, tokenizer: Tokenizer, texts: Sequence[str], batch: int = 256
) -> TokenStore:
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))  # equal lengths pad little
    hidden: list[NDArray[np.float16]] = [np.zeros((0, 0), np.float16)] * len(ids)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            width = max(len(ids[row]) for row in rows)
            padded = torch.tensor([ids[row] + [0] * (width - len(ids[row])) for row in rows])
            mask = torch.tensor([[int(i < len(ids[row])) for i in range(width)] for row in rows])
            states = minilm(padded, mask).to(torch.float16).numpy()  # [B, N, 384]
            for row, state in zip(rows, states, strict=True):
                hidden[row] = state[: len(ids[row])]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in hidden])]).astype(np.int64)
    return TokenStore(np.concatenate(hidden), offsets)
