"""Fitting a calibration: logistic regression, the saliency curve's scale, the false-alarm curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grounding.calibration import (
    REFERENCE_PRIOR,
    Calibration,
    logit,
    sigmoid,
)

Floats = NDArray[np.float64]
POISSON_NONE_SEEN = 3.0  # 95 % upper bound of a rate of which no case was seen: 3 / hours


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How the regression is fitted; the strength of L2 is chosen across source groups."""

    l2: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)  # per sample, on standardised weights
    folds: int = 5
    reference_prior: float = REFERENCE_PRIOR


def fit(
    features: Floats,
    labels: NDArray[np.bool_],
    groups: Sequence[str],
    settings: FitSettings | None = None,
) -> Calibration:
    """Fit P(moment is there | features [N, F]) to labels [N].

    `groups` [N] names each row's source group: a group is never on both sides when the strength
    of L2 is chosen by log loss. Features must be the detector's on sources it was not trained on.
    Raises ValueError unless both labels occur.
    """
    settings = settings or FitSettings()
    labels = labels.astype(np.bool_)
    if labels.all() or not labels.any():
        raise ValueError("a calibration needs moments that are there and moments that are not")
    mean, scale = _standard(features)
    standard = (features - mean) / scale  # [N, F]
    folds = _folds(groups, settings.folds)
    losses = [_held_out_loss(standard, labels, folds, l2) for l2 in settings.l2]
    weights, bias = fit_logistic(standard, labels, settings.l2[int(np.argmin(losses))])
    return Calibration(
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        weights=tuple(weights.tolist()),
        bias=bias,
        training_prior=float(labels.mean()),
        reference_prior=settings.reference_prior,
    )


def fit_logistic(features: Floats, labels: NDArray[np.bool_], l2: float) -> tuple[Floats, float]:
    """Weights [F] and bias of the logistic regression with penalty l2 / 2 * |weights|^2."""
    from scipy.optimize import minimize

    sign = np.where(labels, 1.0, -1.0)  # [N]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, bias = parameters[:-1], parameters[-1]
        margins = sign * (features @ weights + bias)
        slope = -sign * sigmoid(-margins) / len(sign)  # d loss / d odds, [N]
        value = np.logaddexp(0.0, -margins).mean() + 0.5 * l2 * weights @ weights
        return float(value), np.append(features.T @ slope + l2 * weights, slope.sum())

    start = np.zeros(features.shape[1] + 1)
    start[-1] = logit(labels.mean())
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"gtol": 1e-9}).x
    return found[:-1], float(found[-1])


def fit_saliency(logits: Floats, labels: NDArray[np.bool_]) -> tuple[float, float]:
    """`saliency_scale` and `saliency_bias` so that sigmoid(scale * logit + bias) is P(clip fits).

    The scale is kept positive: a higher saliency must never look less probable.
    """
    weights, bias = fit_logistic(logits[:, None], labels, l2=1e-6)
    return max(float(weights[0]), 1e-3), bias


def false_alarm_curve(
    streams: Sequence[Floats],
    hours: float,
    thresholds: Sequence[float],
    merge_seconds: float = 10.0,
) -> tuple[tuple[float, float], ...]:
    """(threshold, false alarms per hour) measured on streams without the event.

    Each stream is [M, 3] (start s, end s, probability) of all moments found in it; moments closer
    than `merge_seconds` are one alarm, as alerts are. The first threshold without any alarm gets
    the 95 % Poisson bound, 3 / hours; higher ones were not measured and are left out.
    """
    curve: list[tuple[float, float]] = []
    for threshold in sorted(thresholds):
        alarms = sum(
            count_alarms(stream[stream[:, 2] >= threshold], merge_seconds) for stream in streams
        )
        if alarms == 0:
            curve.append((float(threshold), POISSON_NONE_SEEN / hours))
            break
        curve.append((float(threshold), alarms / hours))
    return tuple(curve)


def count_alarms(moments: Floats, merge_seconds: float) -> int:
    """How many alerts the moments [M, 3] of one stream make."""
    if not len(moments):
        return 0
    rows = moments[np.argsort(moments[:, 0], kind="stable")]
    reached = np.maximum.accumulate(rows[:, 1])[:-1]
    return 1 + int((rows[1:, 0] > reached + merge_seconds).sum())


def _standard(features: Floats) -> tuple[Floats, Floats]:
    deviation = features.std(axis=0)
    return features.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0)


def _folds(groups: Sequence[str], folds: int) -> NDArray[np.intp]:
    """A fold for every row [N]; whole groups, dealt out from the largest."""
    names, member, sizes = np.unique(np.array(groups), return_inverse=True, return_counts=True)
    load = np.zeros(folds, np.intp)
    fold_of = np.zeros(len(names), np.intp)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of[group] = load.argmin()
        load[fold_of[group]] += sizes[group]
    chosen: NDArray[np.intp] = fold_of[member]
    return chosen


def _held_out_loss(
    features: Floats, labels: NDArray[np.bool_], folds: NDArray[np.intp], l2: float
) -> float:
    total = 0.0
    for fold in np.unique(folds):
        held = folds == fold
        if held.all() or labels[~held].all() or not labels[~held].any():
            continue
        weights, bias = fit_logistic(features[~held], labels[~held], l2)
        margins = np.where(labels[held], 1.0, -1.0) * (features[held] @ weights + bias)
        total += float(np.logaddexp(0.0, -margins).sum())
    return total
