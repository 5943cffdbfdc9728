"""How well found moments lie: recall, average precision, and errors of their ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grounding.average_precision import average_precisions, top_ious
from grounding.training.estimates import Estimate, Floats, mean_estimate
from grounding.training.evaluate import CaseResult


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Errors in seconds of the first moment of each present case that meets a true window.

    `met` is the share of present cases where it does; the others have no boundary error.
    """

    met: float
    median: float  # of both ends
    p90: float
    start_median: float
    start_p90: float
    end_median: float
    end_p90: float


@dataclass(frozen=True, slots=True)
class Localisation:
    """Figures over present cases."""

    r1_at_05: Estimate
    r1_at_07: Estimate
    mean_ap: Estimate  # IoU .50 to .95
    boundaries: Boundaries


def measure_localisation(results: Sequence[CaseResult]) -> Localisation:
    """Figures of the present cases among `results`; raises ValueError without any."""
    present = [result for result in results if result.case.present]
    if not present:
        raise ValueError("no case shows what it asks for: there is nothing to localise")
    found = [result.windows for result in present]
    truths = [result.case.sample.windows for result in present]
    groups = [result.case.group for result in present]
    ious, met_window = top_ious(found, truths)  # [N]
    precision = average_precisions(found, truths).mean(axis=1)
    met = np.flatnonzero(ious > 0)
    ends = np.array([found[row][0, :2] for row in met]).reshape(-1, 2)
    true_ends = np.array([truths[row][met_window[row]] for row in met]).reshape(-1, 2)
    return Localisation(
        r1_at_05=mean_estimate((ious >= 0.5).astype(np.float64), groups),
        r1_at_07=mean_estimate((ious >= 0.7).astype(np.float64), groups),
        mean_ap=mean_estimate(precision, groups),
        boundaries=_boundaries(np.abs(ends - true_ends), len(met) / len(present)),
    )


def _boundaries(errors: Floats, met: float) -> Boundaries:
    """Of errors [n, 2] of start and end."""
    return Boundaries(
        met,
        *_median_and_p90(errors.ravel()),
        *_median_and_p90(errors[:, 0]),
        *_median_and_p90(errors[:, 1]),
    )


def _median_and_p90(errors: Floats) -> tuple[float, float]:
    if not len(errors):
        return float("nan"), float("nan")
    median, p90 = np.percentile(errors, (50, 90))
    return float(median), float(p90)
