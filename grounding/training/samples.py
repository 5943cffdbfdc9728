"""Training samples of SG-DETR and how they become batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grounding.sgdetr.predictions import Targets
from grounding.training.streams import Query, Stream

CLIP_SECONDS = 2.0
MARGIN_PAIRS = 2
LEAST_CLIPS, MULTIPLE = 8, 4  # what the network takes
FULL_SALIENCY = 12.0
LEAST_SHARE = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One query on one window; `windows` is empty where the queried thing is absent."""

    vectors: NDArray[np.float32]  # [L, D] clip vectors
    tokens: NDArray[np.float32]  # [N, D] text tokens
    windows: NDArray[np.float64]  # [n, 2] start and end, seconds from the window's beginning
    saliency: NDArray[np.float32]  # [L] 0..12, twelve times the share of the clip that matches
    stream: Stream
    query: Query

    def lacks(self, query: Query) -> bool:
        """Whether this sample's stream is known not to show what another `query` asks for."""
        if query.concept is not None:
            return self.stream.lacks(query.concept)
        return self.stream.lacks_text(query.text)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Padded inputs of the network and the targets of its loss."""

    video: Tensor  # [B, L, D]
    video_mask: Tensor  # [B, L]
    text: Tensor  # [B, N, D]
    text_mask: Tensor  # [B, N]
    targets: Targets


def saliency_labels(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of each clip that matches [L] -> labels 0..12; a sliver of an event does not count."""
    return np.where(shares < LEAST_SHARE, 0.0, np.ceil(shares * FULL_SALIENCY)).astype(np.float32)


def padded_length(clips: int) -> int:
    """The smallest length the network takes that holds `clips`."""
    return max(LEAST_CLIPS, -(-clips // MULTIPLE) * MULTIPLE)


def make_batch(samples: Sequence[Sample], random: np.random.Generator) -> Batch:
    """Pad samples to one length; a foreign text is a negative only where it is known absent."""
    length = padded_length(max(len(sample.vectors) for sample in samples))
    video, video_mask = _pad([normalised(sample.vectors) for sample in samples], length)
    words = max(len(sample.tokens) for sample in samples)
    text, text_mask = _pad([normalised(sample.tokens) for sample in samples], words)
    saliency = torch.zeros(len(samples), length)
    for row, sample in enumerate(samples):
        saliency[row, : len(sample.saliency)] = torch.from_numpy(sample.saliency)
    pairs = np.stack([margin_pairs(sample.saliency, random) for sample in samples])  # [B, 2, 2]
    following = [*samples[1:], samples[0]]
    foreign = [sample.lacks(other.query) for sample, other in zip(samples, following, strict=True)]
    targets = Targets(
        spans=tuple(_spans(sample) for sample in samples),
        durations=torch.tensor([len(sample.vectors) * CLIP_SECONDS for sample in samples]),
        saliency=saliency,
        positive_clips=torch.from_numpy(pairs[:, 0]),
        negative_clips=torch.from_numpy(pairs[:, 1]),
        sources=[str(id(sample.stream)) for sample in samples],
        negative_ok=torch.tensor(foreign),
    )
    return Batch(video, video_mask, text, text_mask, targets)


def batches(samples: Sequence[Sample], size: int, random: np.random.Generator) -> Iterator[Batch]:
    """Batches of samples of similar length (little padding), in random order."""
    keys = np.array([len(sample.vectors) for sample in samples]) + random.uniform(
        0, 4, len(samples)
    )
    order = np.argsort(keys)
    starts = random.permutation(np.arange(0, len(samples) - size + 1, size))
    for start in starts:
        rows = random.permutation(order[start : start + size])
        yield make_batch([samples[row] for row in rows], random)


def margin_pairs(saliency: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.int64]:
    """Clips of the margin loss, [2, MARGIN_PAIRS]: winners, then losers (specification 3.4).

    The best against the worst relevant clip, and a random relevant against a random other one;
    all zeros for an absent query, which the loss leaves out.
    """
    relevant, others = np.flatnonzero(saliency > 0), np.flatnonzero(saliency <= 0)
    if not len(relevant):
        return np.zeros((2, MARGIN_PAIRS), np.int64)
    best = relevant[saliency[relevant].argmax()], relevant[saliency[relevant].argmin()]
    if not len(others):
        return np.array([[best[0]] * 2, [best[1]] * 2], np.int64)
    chosen = random.choice(relevant), random.choice(others)
    return np.array([[best[0], chosen[0]], [best[1], chosen[1]]], np.int64)


def normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows as the network reads them: x / (norm + 1e-5)."""
    scaled: NDArray[np.float32] = rows / (
        np.linalg.norm(rows, axis=-1, keepdims=True) + np.float32(1e-5)
    )
    return scaled


def _spans(sample: Sample) -> Tensor:
    seconds = len(sample.vectors) * CLIP_SECONDS
    windows = torch.from_numpy(sample.windows.astype(np.float32)).reshape(-1, 2) / seconds
    return torch.stack([windows.mean(1), windows[:, 1] - windows[:, 0]], dim=1)  # [n, 2] (c, w)


def _pad(rows: Sequence[NDArray[np.float32]], length: int) -> tuple[Tensor, Tensor]:
    padded = torch.zeros(len(rows), length, rows[0].shape[1])
    mask = torch.zeros(len(rows), length)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.from_numpy(row)
        mask[number, : len(row)] = 1.0
    return padded, mask
