"""Texts to features: the pooled unit vector, and the tokens SG-DETR reads."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from encoder.bundle import Bundle
from encoder.embedding import TextFeatures
from encoder.errors import ModelError, TextError
from encoder.session import SessionOptions, open_session

_BATCH = 32


class TextEncoder:
    """A bundle's text tower with its tokenizer.

    Raises ModelError if either cannot be used.
    """

    def __init__(self, bundle: Bundle, options: SessionOptions | None = None) -> None:
        self.space = bundle.space
        self.max_tokens = bundle.manifest.text.max_tokens
        self._tokenizer = _open_tokenizer(bundle)
        self._marks = self._tokenizer.num_special_tokens_to_add(False)
        self._session = open_session(bundle.path("text"), options)
        self._session.require({"input_ids", "attention_mask"}, {"pooled", "tokens"})

    def encode(self, texts: Sequence[str]) -> list[TextFeatures]:
        """Features of each text, in order; tokens past the bundle's `max_tokens` are cut off.

        `tokens` holds every real token, the marks of start and end too ([CLS] and [SEP] of BERT):
        float32 [N, D], 2 < N <= `max_tokens`.
        Raises TextError for a text without words.
        """
        ids = [self._ids(text) for text in texts]
        features: list[TextFeatures] = []
        for first in range(0, len(texts), _BATCH):
            chunk = slice(first, first + _BATCH)
            features += self._run(texts[chunk], ids[chunk])
        return features

    def tokens_cut_off(self, text: str) -> int:
        """How many tokens of a text lie past `max_tokens` and would not be read."""
        return max(0, len(self._tokenizer.encode(text).ids) - self.max_tokens)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        # Tokenizers of bytes make tokens of control characters too
        visible = any(letter.isprintable() and not letter.isspace() for letter in text)
        if not visible or len(ids) <= self._marks:  # marks alone say nothing
            raise TextError(f"the text {text!r} has no words to encode")
        if len(ids) > self.max_tokens:
            ids = [*ids[: self.max_tokens - 1], ids[-1]]  # the mark of the end stays the last
        return ids

    def _run(self, texts: Sequence[str], ids: Sequence[list[int]]) -> Iterator[TextFeatures]:
        padded, mask = _pad(ids)
        made = self._session.run({"input_ids": padded, "attention_mask": mask})
        pooled, tokens = made["pooled"], made["tokens"]
        if pooled.shape != (len(ids), self.space.dims) or tokens.shape[2:] != pooled.shape[1:]:
            raise ModelError(
                f"the text tower gave {pooled.shape} and {tokens.shape} for {padded.shape} in"
                f" embedding space {self.space.id}"
            )
        for row, text in enumerate(texts):
            yield TextFeatures(
                text=text,
                space_id=self.space.id,
                pooled=pooled[row].copy(),
                tokens=tokens[row, : len(ids[row])].copy(),
            )


def _pad(ids: Sequence[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    longest = max(len(row) for row in ids)
    padded = np.zeros((len(ids), longest), np.int64)
    mask = np.zeros_like(padded)
    for row, values in enumerate(ids):
        padded[row, : len(values)] = values
        mask[row, : len(values)] = 1
    return padded, mask


def _open_tokenizer(bundle: Bundle) -> Tokenizer:
    path = bundle.path("tokenizer")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ModelError(f"{path} is no tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
