"""Precision of found windows and of clip scores, as QVHighlights counts it, over many queries."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))  # .50 ... .95
RANKED = 10  # predictions of a query that count


def average_precisions(
    found: Sequence[Floats],
    truths: Sequence[Floats],
    thresholds: Sequence[float] = IOU_THRESHOLDS,
) -> Floats:
    """Interpolated average precision of every query at every IoU threshold, [Q, T].

    `found` are windows [k, 3] (start, end, score), `truths` windows [n, 2] with n >= 1. The first
    RANKED found in list order count; these are ranked by score and each takes the best window not
    yet taken. A query without any found window has precision 0.
    """
    windows, listed = _padded([rows[:RANKED] for rows in found], 3)  # [Q, P, 3], [Q, P]
    scores = np.where(listed, windows[..., 2], -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")
    windows = np.take_along_axis(windows, order[..., None], axis=1)
    listed = np.take_along_axis(listed, order, axis=1)
    marked, real = _padded(truths, 2)  # [Q, G, 2], [Q, G]
    overlap = cross_iou(windows[..., :2], marked)  # [Q, P, G]
    overlap = np.where(listed[:, :, None] & real[:, None, :], overlap, -1.0)
    right = _assign(overlap, np.array(thresholds))  # [Q, T, P]
    ranks = np.arange(1, right.shape[2] + 1)
    precision = np.cumsum(right, axis=2) / ranks
    envelope = np.maximum.accumulate(precision[..., ::-1], axis=2)[..., ::-1]
    average: Floats = (right * envelope).sum(axis=2) / real.sum(axis=1)[:, None]
    return average


def top_ious(found: Sequence[Floats], truths: Sequence[Floats]) -> tuple[Floats, NDArray[np.intp]]:
    """IoU [Q] of each query's first listed window with the true window it overlaps most, and
    which that is [Q]; 0 for a query without any found window.

    The official code divides by the hull of both, which is the union wherever they overlap.
    """
    windows, listed = _padded([rows[:1, :2] for rows in found], 2)  # [Q, 1 or 0, 2]
    marked, real = _padded(truths, 2)
    if windows.shape[1] == 0:
        return np.zeros(len(found)), np.zeros(len(found), np.intp)
    overlap = np.where(real, cross_iou(windows, marked)[:, 0], -1.0)  # [Q, G]
    best = overlap.argmax(axis=1)
    first, chosen = windows[:, 0], marked[np.arange(len(marked)), best]  # [Q, 2] each
    inner = np.minimum(first[:, 1], chosen[:, 1]) - np.maximum(first[:, 0], chosen[:, 0])
    hull = np.maximum(first[:, 1], chosen[:, 1]) - np.minimum(first[:, 0], chosen[:, 0])
    iou = np.divide(np.maximum(inner, 0.0), hull, out=np.zeros_like(hull), where=hull > 0)
    return np.where(listed[:, 0], iou, 0.0), best


def cross_iou(first: Floats, second: Floats) -> Floats:
    """IoU of all windows [..., P, 2] with all windows [..., G, 2]: [..., P, G]; 0 for empty ones.

    >>> cross_iou(np.array([[0.0, 4.0]]), np.array([[2.0, 6.0], [4.0, 8.0]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    a, b = first[..., :, None, :], second[..., None, :, :]
    inner = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    inner = np.maximum(inner, 0.0)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - inner
    iou: Floats = np.divide(inner, union, out=np.zeros_like(union), where=union > 0)
    return iou


def highlight_precisions(saliency: Sequence[Floats], positive: Sequence[Floats]) -> Floats:
    """Interpolated average precision [Q, A] of clip scores [C] against marks [C, A] of 0 and 1.

    Scores are cut or filled with 0 to the marks' length. As in the official code the mean runs
    over the distinct scores at which recall grows; without any positive clip it is 0.
    """
    scores, marks = _clip_rows(saliency, positive)  # [Q, C] and [Q, C, A]
    order = np.argsort(-scores, axis=1, kind="stable")
    scores = np.take_along_axis(scores, order, axis=1)
    taken = np.cumsum(np.take_along_axis(marks, order[..., None], axis=1), axis=1)  # [Q, C, A]
    places = np.arange(scores.shape[1])
    # Clips of equal score come in together: only the last of them is a point of the curve.
    last = np.ones(scores.shape, np.bool_)
    last[:, :-1] = scores[:, :-1] != scores[:, 1:]
    first = np.ones(scores.shape, np.bool_)
    first[:, 1:] = last[:, :-1]
    begun = np.maximum.accumulate(np.where(first, places, 0), axis=1)  # of the group, [Q, C]
    before = np.concatenate([np.zeros_like(taken[:, :1]), taken], axis=1)  # [Q, C + 1, A]
    before = np.take_along_axis(before, begun[..., None], axis=1)
    precision = np.where(last[..., None], taken / (places + 1)[:, None], 0.0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    grows = last[..., None] & (taken > before)
    steps = grows.sum(axis=1)  # [Q, A]
    total = (envelope * grows).sum(axis=1)
    average: Floats = np.divide(total, steps, out=np.zeros_like(total), where=steps > 0)
    return average


def _assign(overlap: Floats, thresholds: Floats) -> NDArray[np.bool_]:
    """Which predictions [Q, T, P] are right: each, in order, takes the best window still free."""
    queries, ranks, marked = overlap.shape
    taken = np.zeros((queries, len(thresholds), marked), np.bool_)
    right = np.zeros((queries, len(thresholds), ranks), np.bool_)
    for rank in range(ranks):
        here = overlap[:, None, rank]  # [Q, 1, G]
        free = (here >= thresholds[:, None]) & ~taken  # [Q, T, G]
        right[..., rank] = free.any(axis=2)
        # Of equal overlaps the official code takes the last.
        reversed_best = np.where(free, here, -2.0)[..., ::-1].argmax(axis=2)
        best = marked - 1 - reversed_best
        taken |= right[..., rank, None] & (np.arange(marked) == best[..., None])
    return right


def _clip_rows(saliency: Sequence[Floats], positive: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Scores [Q, C] and marks [Q, C, A], padded behind with what can never count."""
    clips = max(len(marks) for marks in positive)
    scores = np.full((len(saliency), clips), -np.inf)
    marks = np.zeros((len(saliency), clips, positive[0].shape[1]))
    for row, (given, wanted) in enumerate(zip(saliency, positive, strict=True)):
        scores[row, : len(wanted)] = 0.0
        shared = min(len(given), len(wanted))
        scores[row, :shared] = given[:shared]
        marks[row, : len(wanted)] = wanted
    return scores, marks


def _padded(rows: Sequence[Floats], columns: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Lists of windows as one array [Q, longest, columns] and which of its rows are real."""
    longest = max((len(row) for row in rows), default=0)
    padded = np.zeros((len(rows), longest, columns))
    real = np.arange(longest) < np.array([len(row) for row in rows])[:, None]
    padded[real] = np.concatenate(rows)
    return padded, real
