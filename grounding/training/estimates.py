"""Shares and areas under ROC curves, with intervals drawn over source groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RESAMPLES = 300
SEED = 0
INTERVAL = (2.5, 97.5)  # percentiles


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % bootstrap interval; NaN where it cannot be told."""

    value: float
    low: float
    high: float
    cases: int
    groups: int  # distinct source groups: what the interval was drawn over

    def __str__(self) -> str:
        if np.isnan(self.value):
            return f"cannot be told ({self.cases} cases)"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] of {self.groups} groups"


def mean_estimate(values: Floats, groups: Sequence[str]) -> Estimate:
    """The mean of values [N]; `groups` [N] are resampled whole."""
    if not len(values):
        return _estimate(np.nan, np.zeros(0), groups)
    weights = group_weights(groups)  # [R, N]
    totals = weights.sum(axis=1)
    drawn = np.divide(weights @ values, totals, out=np.full(RESAMPLES, np.nan), where=totals > 0)
    return _estimate(float(values.mean()), drawn, groups)


def auc_estimate(scores: Floats, present: Flags, groups: Sequence[str]) -> Estimate:
    """Area under the ROC curve of scores [N]: how often a present case beats an absent one.

    Equal scores count half; -inf is a score (nothing was found). NaN unless both kinds occur.
    """
    if present.all() or not present.any():
        return _estimate(np.nan, np.zeros(0), groups)
    value = weighted_aucs(scores, present, np.ones((1, len(scores))))[0]
    return _estimate(value, weighted_aucs(scores, present, group_weights(groups)), groups)


def auc(scores: Floats, present: Flags, strata: NDArray[np.intp] | None = None) -> float:
    """Area under the ROC curve; with `strata` [N] only pairs within one stratum are compared.

    NaN where there is no such pair. Scores of different folds come from different fits: their
    levels do not compare.
    """
    strata = np.zeros(len(scores), np.intp) if strata is None else strata
    won = pairs = 0.0
    for stratum in np.unique(strata):
        here = strata == stratum
        wins, count = _wins(scores[here], present[here])
        won, pairs = won + wins, pairs + count
    return won / pairs if pairs else float("nan")


def weighted_aucs(scores: Floats, present: Flags, weights: Floats) -> Floats:
    """AUC of scores [N] under each row of weights [R, N]; NaN where a side has no weight."""
    order = np.argsort(scores, kind="stable")
    ranked, flags = scores[order], present[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    sorted_weights = weights[:, order]
    up = np.add.reduceat(np.where(flags, sorted_weights, 0.0), starts, axis=1)  # [R, levels]
    down = np.add.reduceat(np.where(flags, 0.0, sorted_weights), starts, axis=1)
    below = np.cumsum(down, axis=1) - down
    pairs = up.sum(axis=1) * down.sum(axis=1)
    won = (up * (below + 0.5 * down)).sum(axis=1)
    aucs: Floats = np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
    return aucs


def group_weights(groups: Sequence[str]) -> Floats:
    """How often each case [N] is in each of RESAMPLES draws of as many groups, [R, N]."""
    _, member = np.unique(np.array(groups), return_inverse=True)
    count = int(member.max()) + 1
    random = np.random.default_rng(SEED)
    drawn = random.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)  # [R, G]
    weights: Floats = drawn[:, member].astype(np.float64)
    return weights


def _wins(scores: Floats, present: Flags) -> tuple[float, int]:
    pairs = int(present.sum()) * int((~present).sum())
    if not pairs:
        return 0.0, 0
    return float(weighted_aucs(scores, present, np.ones((1, len(scores))))[0]) * pairs, pairs


def _estimate(value: float, drawn: Floats, groups: Sequence[str]) -> Estimate:
    usable = drawn[~np.isnan(drawn)]
    low, high = np.percentile(usable, INTERVAL) if len(usable) else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high), len(groups), len(set(groups)))
