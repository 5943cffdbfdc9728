"""What a stream's background alone gives away: the probe that every event score must beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grounding.training.estimates import Flags, Floats, auc
from grounding.training.evaluate import CaseResult
from grounding.training.fit_calibration import fit_logistic

PROBE_L2 = 0.1


@dataclass(frozen=True, slots=True)
class ProbeComparison:
    """AUC of one concept, within folds: the model's, and of a probe that sees no event.

    A model that does not beat the probe has shown nothing.
    """

    model: float
    probe: float
    cases: int


def compare_with_background(
    results: Sequence[CaseResult], scores: Floats
) -> dict[str, ProbeComparison]:
    """Model and probe for every concept that has both answers in several folds.

    The probe is trained on the other folds' cases of the concept and sees the median clip vector
    of a stream only; it is the better of a logistic and a nearest-centroid one, so that the
    comparison is not too easy. `scores` [N] are the model's.
    """
    compared: dict[str, ProbeComparison] = {}
    concepts = np.array([result.case.concept for result in results])
    for concept in sorted(set(concepts.tolist())):
        rows = np.flatnonzero(concepts == concept)
        chosen = [results[row] for row in rows.tolist()]
        present = np.array([result.case.present for result in chosen], np.bool_)
        folds = np.array([result.case.fold for result in chosen], np.intp)
        background = np.stack([result.background for result in chosen]).astype(np.float64)
        probes = probe_scores(background, present, folds)  # [2, n]
        told = ~np.isnan(probes[0])
        aucs = [auc(probe[told], present[told], folds[told]) for probe in probes]
        if not np.isnan(aucs).any():
            model = auc(scores[rows][told], present[told], folds[told])
            compared[concept] = ProbeComparison(model, max(aucs), int(told.sum()))
    return compared


def probe_scores(background: Floats, present: Flags, folds: NDArray[np.intp]) -> Floats:
    """Scores [2, n] of backgrounds [n, D], logistic and nearest centroid, each trained on the
    folds that do not hold the case; NaN where those lack one of the answers."""
    scores = np.full((2, len(background)), np.nan)
    unit = background / np.maximum(np.linalg.norm(background, axis=1, keepdims=True), 1e-9)
    for fold in np.unique(folds):
        held = folds == fold
        truth = present[~held]
        if not len(truth) or truth.all() or not truth.any():
            continue
        centre = unit[~held].mean(axis=0)
        spread = float(np.linalg.norm(unit[~held] - centre, axis=1).mean()) or 1.0
        rows = (unit - centre) / spread * np.sqrt(unit.shape[1])  # unit variance per feature
        weights, bias = fit_logistic(rows[~held], truth, PROBE_L2)
        scores[0, held] = rows[held] @ weights + bias
        apart = rows[~held][truth].mean(axis=0) - rows[~held][~truth].mean(axis=0)
        scores[1, held] = rows[held] @ apart
    return scores
