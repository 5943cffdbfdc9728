"""Text tokens as SG-DETR reads them, for any text, each computed once."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from encoder.training.token_store import MAX_TOKENS, TokenStore
from encoder.training.towers import TextHead


class TextLibrary:
    """Projected tokens and pooled vectors; hidden states may be filled in beforehand."""

    def __init__(self, minilm: nn.Module, tokenizer: Tokenizer, head: TextHead) -> None:
        self._minilm, self._tokenizer, self._head = minilm, tokenizer, head.eval()
        self._hidden: dict[str, NDArray[np.float16]] = {}
        self._tokens: dict[str, NDArray[np.float32]] = {}
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)

    def fill(self, texts: Sequence[str], store: TokenStore) -> None:
        """Take over the hidden states of `texts`, row by row of `store`."""
        bounds = zip(store.offsets[:-1], store.offsets[1:], strict=True)
        for text, (start, end) in zip(texts, bounds, strict=True):
            self._hidden[text] = store.hidden[start:end]

    @torch.inference_mode()
    def tokens(self, text: str) -> NDArray[np.float32]:
        """Projected tokens of a text, [N, D]."""
        if text not in self._tokens:
            self._tokens[text] = self._head.project(self._states(text)).numpy()
        return self._tokens[text]

    @torch.inference_mode()
    def pooled(self, texts: Iterable[str]) -> Tensor:
        """Unit vectors of texts, [T, D]."""
        rows = []
        for text in texts:
            states = self._states(text)[None]
            rows.append(self._head(states, torch.ones(states.shape[:2]))[0])
        return torch.cat(rows)

    def _states(self, text: str) -> Tensor:
        if text not in self._hidden:
            ids = torch.tensor([self._tokenizer.encode(text).ids])
            self._hidden[text] = self._minilm(ids, torch.ones_like(ids))[0].half().numpy()
        return torch.from_numpy(self._hidden[text].astype(np.float32))
