"""The gate: a matrix product that decides which (window, query) pairs are worth the detector."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from encoder.embedding import TextFeatures
from grounding.errors import DetectorError
from grounding.query import StandingQuery
from grounding.settings import DetectorSettings
from grounding.window import Window

SENTENCE_BATCH = 64  # texts in one run: of thousands all at once the padded tokens fill memory
ROW_EPSILON = 1e-5  # as in the official loader: x / (||x|| + 1e-5)


class Session(Protocol):
    """A loaded ONNX graph."""

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> Mapping[str, NDArray[np.generic]]:
        """Outputs by name for inputs by name."""


class Gate:
    """Local saliency of new clips for all standing queries at once.

    In the live variant the local saliency of a clip depends on (clip, query) alone, so the vector
    of a clip is made once, kept beside its embedding in the window, and compared by a product.
    """

    def __init__(self, clips: Session, queries: Session, settings: DetectorSettings) -> None:
        self._clip_session = clips
        self._query_session = queries
        self._settings = settings
        self._sentences = np.zeros((0, settings.gate_dims), np.float32)  # [Q, G] unit rows
        self._digests = np.zeros(0, np.uint64)  # [Q]
        self._rows: dict[tuple[str, int], tuple[int, TextFeatures]] = {}

    def watch(self, queries: Sequence[StandingQuery]) -> None:
        """Take these queries, in this order, in place of the former ones.

        The vector of a (query, version) that was watched already is kept: of thousands of queries
        only those that changed are made anew.
        """
        rows = [self._row_of(query) for query in queries]
        kept = [place for place, row in enumerate(rows) if row is not None]
        new = [place for place, row in enumerate(rows) if row is None]
        sentences = np.empty((len(queries), self._settings.gate_dims), np.float32)
        digests = np.empty(len(queries), np.uint64)
        former = [row for row in rows if row is not None]
        sentences[kept], digests[kept] = self._sentences[former], self._digests[former]
        sentences[new] = self._sentence_vectors([queries[place].features for place in new])
        digests[new] = [_digest(queries[place].query_id) for place in new]
        self._sentences, self._digests = sentences, digests
        self._rows = {
            (query.query_id, query.version): (row, query.features)
            for row, query in enumerate(queries)
        }

    def clip_vectors(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors [M, G] of clip embeddings [M, D], for `Window.gate_vectors`."""
        if not len(embeddings):
            return np.zeros((0, self._settings.gate_dims), np.float32)
        made = self._clip_session.run({"video": normalise_rows(embeddings)})
        return self._checked(made, "clip", len(embeddings))

    def local_saliency(self, clip_vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits [M, Q] of clips [M, G] for all queries."""
        cosines = clip_vectors @ self._sentences.T  # [M, Q]
        scale, bias = self._settings.saliency_scale, self._settings.saliency_bias
        logits: NDArray[np.float32] = cosines * np.float32(scale) + np.float32(bias)
        return logits

    @property
    def threshold(self) -> float:
        """The saliency (logit) from which a pair passes."""
        return self._settings.gate_threshold

    def saliency(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Greatest logit [W, Q] of the newest clips of each window."""
        newest = [_newest_rows(window, self._settings.gate_clips) for window in windows]
        if not newest:
            return np.zeros((0, len(self._sentences)), np.float32)
        logits = self.local_saliency(np.concatenate(newest))
        starts = np.cumsum([0, *(len(rows) for rows in newest[:-1])])
        greatest: NDArray[np.float32] = np.maximum.reduceat(logits, starts, axis=0)
        return greatest

    def salient(self, windows: Sequence[Window]) -> NDArray[np.bool_]:
        """Which (window, query) pairs [W, Q] pass by the saliency of their newest clips."""
        return self.saliency(windows) >= np.float32(self.threshold)

    def audited(self, window: Window, every: int) -> NDArray[np.bool_]:
        """Which queries [Q] of this window are looked at whatever the gate says: one in `every`.

        The choice depends on (query, camera, session, index) alone, so every worker makes it
        alike. `every` 0 chooses none.
        """
        if every == 0:
            return np.zeros(len(self._digests), np.bool_)
        key = _digest(f"{window.camera_id}/{window.session}/{window.index}")
        mixed = _mix(self._digests ^ np.uint64(key))
        chosen: NDArray[np.bool_] = mixed % np.uint64(every) == 0
        return chosen

    def _row_of(self, query: StandingQuery) -> int | None:
        row, features = self._rows.get((query.query_id, query.version), (None, None))
        return row if features is query.features else None

    def _sentence_vectors(self, texts: Sequence[TextFeatures]) -> NDArray[np.float32]:
        made = [np.zeros((0, self._settings.gate_dims), np.float32)]
        for first in range(0, len(texts), SENTENCE_BATCH):
            chunk = texts[first : first + SENTENCE_BATCH]
            tokens, mask = pad_tokens(chunk, self._settings.max_tokens)
            vectors = self._query_session.run({"text": tokens, "text_mask": mask})
            made.append(self._checked(vectors, "sentence", len(chunk)))
        return np.concatenate(made)

    def _checked(
        self, made: Mapping[str, NDArray[np.generic]], name: str, rows: int
    ) -> NDArray[np.float32]:
        wanted = (rows, self._settings.gate_dims)
        if name not in made or made[name].shape != wanted:
            shapes = {key: value.shape for key, value in made.items()}
            raise DetectorError(f"the gate's graph should give {name} {wanted}, it gives {shapes}")
        return made[name].astype(np.float32, copy=False)


def normalise_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows [..., D] divided by their norm, as SG-DETR was trained; zero rows stay zero."""
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    normal: NDArray[np.float32] = (rows / (norms + ROW_EPSILON)).astype(np.float32)
    return normal


def pad_tokens(
    texts: Sequence[TextFeatures], limit: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Normalised tokens [B, N, D] and their mask [B, N], N the longest text's, at most `limit`."""
    tokens = [text.tokens[:limit] for text in texts]
    longest = max(len(rows) for rows in tokens)
    padded = np.zeros((len(texts), longest, tokens[0].shape[1]), np.float32)
    mask = np.zeros((len(texts), longest), np.float32)
    for row, values in enumerate(tokens):
        padded[row, : len(values)] = normalise_rows(values)
        mask[row, : len(values)] = 1.0
    return padded, mask


def _newest_rows(window: Window, clips: int) -> NDArray[np.float32]:
    """Gate vectors of the clips that were seen among the newest `clips`; never none."""
    if window.gate_vectors is None:
        raise DetectorError(f"window {window.index} of {window.camera_id} has no gate vectors")
    rows: NDArray[np.float32] = window.gate_vectors[-clips:][window.mask[-clips:]]
    return rows


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _mix(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Finalizer of splitmix64: every input bit moves every output bit."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))
