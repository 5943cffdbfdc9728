"""The calibration of a bundle, fitted out-of-fold across concepts, and how far it holds."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from grounding.calibration import Calibration, logit, sigmoid
from grounding.training.estimates import Flags, Floats
from grounding.training.evaluate import CaseResult
from grounding.training.fit_calibration import FitSettings, fit, fit_saliency
from grounding.training.samples import FULL_SALIENCY

BINS = 10
# Of the many cross-validating fits: with seven features and hundreds of moments the strength
# hardly matters, so only the shipped fit chooses it.
CROSS_FIT = FitSettings(l2=(1e-3,), folds=2)


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far probabilities hold for concepts (and folds) that the calibration never saw.

    At the mix of the cases, not at the reference prior. `brier_of_share` is what stating the share
    of right moments for each of them would score.
    """

    expected_calibration_error: float
    brier: float
    brier_of_share: float
    moments: int
    right: int


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationFit:
    """The calibration that ships, those that never saw a fold, and what they say."""

    shipped: Calibration
    without_fold: Mapping[int, Calibration]
    log_odds: tuple[Floats, ...]  # [m] of each result, at the reference prior, cross-validated
    reliability: Reliability

    def for_fold(self, fold: int) -> Calibration:
        """A calibration that never saw the fold; the shipped one where there was only one fold."""
        return self.without_fold.get(fold, self.shipped)


def calibrate(
    results: Sequence[CaseResult],
    settings: FitSettings | None = None,
    held_out: Collection[str] = (),
) -> CalibrationFit:
    """Fit P(a moment is right) to out-of-fold results.

    Its training prior is the share of present cases, as the reference prior is one of windows.
    Each result's cross-validated log-odds come from a fit without its concept and, where there
    are several, without its fold. The saliency curve is fitted to clips at least half inside a
    true window. Results of concepts in `held_out`, which come from detectors that never learned
    them, are scored but fit nothing and are not judged.
    Raises ValueError for fewer than two concepts, or where a fit lacks moments that are right or
    moments that are not.
    """
    settings = settings or FitSettings()
    cross = dataclasses.replace(CROSS_FIT, reference_prior=settings.reference_prior)
    concepts = np.array([result.case.concept for result in results])
    fitting = ~np.isin(concepts, sorted(held_out))
    known = _chosen(results, fitting)
    if len(set(concepts[fitting].tolist())) < 2:
        raise ValueError("a calibration across concepts needs cases of at least two concepts")
    folds = np.array([result.case.fold for result in results])
    names = sorted(set(folds.tolist()))
    log_odds, at_mix = _cross_validated(results, fitting, cross)
    judged = [at_mix[row] for row in np.flatnonzero(fitting).tolist()]
    right = [result.right for result in known]
    scale, bias = fit_saliency(*_clips(known))
    return CalibrationFit(
        shipped=replace(_fit(known, settings), saliency_scale=scale, saliency_bias=bias),
        without_fold={
            fold: _fit(_chosen(results, fitting & (folds != fold)), cross)
            for fold in (names if len(names) > 1 else ())
        },
        log_odds=tuple(log_odds),
        reliability=reliability(sigmoid(np.concatenate(judged)), np.concatenate(right)),
    )


def reliability(probability: Floats, right: Flags) -> Reliability:
    """Expected calibration error (BINS bins of equal width) and Brier score of moments [N]."""
    share = float(right.mean())
    return Reliability(
        expected_calibration_error=expected_calibration_error(probability, right),
        brier=float(((probability - right) ** 2).mean()),
        brier_of_share=share * (1 - share),
        moments=len(right),
        right=int(right.sum()),
    )


def expected_calibration_error(probability: Floats, right: Flags) -> float:
    """Mean distance of stated and true share, over bins of stated probability, by their size.

    >>> expected_calibration_error(np.array([0.25] * 4), np.array([True, False, False, False]))
    0.0
    """
    bins = np.minimum((probability * BINS).astype(np.intp), BINS - 1)
    stated = np.bincount(bins, weights=probability, minlength=BINS)
    true = np.bincount(bins, weights=right.astype(np.float64), minlength=BINS)
    return float(np.abs(stated - true).sum() / len(probability))


def _cross_validated(
    results: Sequence[CaseResult], fitting: Flags, settings: FitSettings
) -> tuple[list[Floats], list[Floats]]:
    """Log-odds of every result's moments at the reference prior, and at the mix of the cases."""
    concepts = np.array([result.case.concept for result in results])
    folds = np.array([result.case.fold for result in results])
    several = len(set(folds.tolist())) > 1
    log_odds = [np.zeros(0)] * len(results)
    at_mix = [np.zeros(0)] * len(results)
    for concept, fold in sorted(set(zip(concepts.tolist(), folds.tolist(), strict=True))):
        unseen = fitting & (concepts != concept) & ((folds != fold) | (not several))
        fitted = _fit(_chosen(results, unseen), settings)
        back = float(logit(fitted.training_prior) - logit(fitted.reference_prior))
        for row in np.flatnonzero((concepts == concept) & (folds == fold)).tolist():
            log_odds[row] = fitted.log_odds(results[row].features)
            at_mix[row] = log_odds[row] + back
    return log_odds, at_mix


def _fit(results: Sequence[CaseResult], settings: FitSettings) -> Calibration:
    features = np.concatenate([result.features for result in results])
    right = np.concatenate([result.right for result in results])
    groups = [result.case.group for result in results for _ in result.features]
    present = float(np.mean([result.case.present for result in results]))
    if not 0 < present < 1:
        raise ValueError("a calibration needs present and absent cases")
    return replace(fit(features, right, groups, settings), training_prior=present)


def _chosen(results: Sequence[CaseResult], rows: Flags) -> list[CaseResult]:
    return [results[row] for row in np.flatnonzero(rows).tolist()]


def _clips(results: Sequence[CaseResult]) -> tuple[Floats, Flags]:
    """Global saliency logits of all clips, and whether at least half of each is in a window."""
    logits = np.concatenate([result.global_saliency for result in results]).astype(np.float64)
    labels = np.concatenate([result.case.sample.saliency for result in results])
    return logits, labels >= 0.5 * FULL_SALIENCY
