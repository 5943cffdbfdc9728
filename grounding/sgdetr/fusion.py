"""Weighted box fusion in one dimension (arXiv 1910.13302), exact to the released SG-DETR."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How the windows of the two heads are fused.

    `weights` of the DETR and the ATSS list; clusters take a box whose IoU is above `iou`; boxes
    with a score below `skip` are left out. `max_seconds` is the unit of the coordinates and
    clips boxes (None: the window's own duration). `float32` keeps merged clusters in single
    precision as the official code does.
    """

    weights: tuple[float, float] = (1.0, 2.5)
    iou: float = 0.8
    skip: float = 0.1
    max_seconds: float | None = None
    float32: bool = True


def fuse(
    lists: Sequence[NDArray[np.floating]], settings: FusionSettings, max_seconds: float
) -> NDArray[np.float64]:
    """Fuse one list of windows per head, each (start s, end s, score) [n, 3], into [k, 3].

    Boxes are taken in the order of weighted score; each joins the cluster of largest IoU, or
    begins one. A cluster's box is the score-weighted mean of its boxes, its score their mean
    times min(number of heads, number of boxes) / sum of weights. Best score first. The order of
    the input does not matter: equal scores are taken by start and end. Empty boxes and boxes
    below `skip` fall out, so the result may be empty: [0, 3].
    """
    boxes = _gather(lists, settings, max_seconds)
    clusters = _Clusters(np.float32 if settings.float32 else np.float64)
    for score, start, end in boxes:
        best = clusters.nearest(start, end, settings.iou)
        if best < 0:
            clusters.begin(score, start, end)
        else:
            clusters.join(best, score, start, end)
    fused = clusters.boxes(len(lists), sum(settings.weights))  # [k, 3]
    order = np.lexsort((fused[:, 1], fused[:, 0], -fused[:, 2]))
    fused[:, :2] *= max_seconds
    return fused[order]


def _gather(
    lists: Sequence[NDArray[np.floating]], settings: FusionSettings, max_seconds: float
) -> list[list[float]]:
    """Rows (weighted score, start, end) in fractions of `max_seconds`, in the order of fusion."""
    parts = []
    for windows, weight in zip(lists, settings.weights, strict=True):
        ends = np.clip(windows[:, :2] / max_seconds, 0.0, 1.0)
        scores = windows[:, 2]
        keep = (scores >= settings.skip) & (ends[:, 1] > ends[:, 0])
        parts.append(np.column_stack([scores[keep] * weight, ends[keep].astype(np.float64)]))
    rows = np.concatenate(parts)  # [n, 3]
    order = np.lexsort((rows[:, 2], rows[:, 1], -rows[:, 0]))
    ordered: list[list[float]] = rows[order].tolist()
    return ordered


class _Clusters:
    """The clusters so far, as columns of Python floats: with 35 boxes arrays cost more."""

    def __init__(self, precision: type[np.floating]) -> None:
        self._round = precision
        self._start: list[float] = []
        self._end: list[float] = []
        self._sum: list[float] = []  # of weighted scores
        self._count: list[int] = []
        self._weighted: list[tuple[float, float]] = []  # score-weighted sums of start and end

    def nearest(self, start: float, end: float, iou: float) -> int:
        """Index of the cluster with the largest IoU above `iou`, or -1."""
        best, index, length = iou, -1, end - start
        for i, (left, right) in enumerate(zip(self._start, self._end, strict=True)):
            inner = (end if end < right else right) - (start if start > left else left)
            if inner > 0.0:
                overlap = inner / (length + right - left - inner)
                if overlap > best:
                    best, index = overlap, i
        return index

    def begin(self, score: float, start: float, end: float) -> None:
        """Add a cluster of one box."""
        self._start.append(start)
        self._end.append(end)
        self._sum.append(score)
        self._count.append(1)
        single = self._single
        self._weighted.append((single(score * start), single(score * end)))

    def join(self, index: int, score: float, start: float, end: float) -> None:
        """Add a box to a cluster and move the cluster."""
        single = self._single
        old = self._weighted[index]
        sums = single(old[0] + score * start), single(old[1] + score * end)
        total = self._sum[index] + score
        self._weighted[index] = sums
        self._sum[index] = total
        self._count[index] += 1
        self._start[index] = single(sums[0] / total)
        self._end[index] = single(sums[1] / total)

    def boxes(self, heads: int, weight: float) -> NDArray[np.float64]:
        """(start, end, score) [k, 3] of every cluster, its score scaled by how many heads agree."""
        rows = []
        for i, count in enumerate(self._count):
            score = self._sum[i] / count
            if count > 1:
                score = self._single(score)
            rows.append((self._start[i], self._end[i], score * min(heads, count) / weight))
        return np.array(rows, dtype=np.float64).reshape(-1, 3)

    def _single(self, value: float) -> float:
        return float(self._round(value))
