"""Scores users see: calibrated probabilities, and the threshold that keeps an alert budget."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from encoder.embedding import TextFeatures
from grounding.detector import Grounding
from grounding.errors import SensitivityError, SettingsError
from grounding.moment import Span
from grounding.query import StandingQuery
from grounding.window import Window

MOMENT_FEATURES = (
    "combined_score_logit",
    "global_saliency_mean",  # logits inside the span
    "global_saliency_max",
    "local_saliency_max",
    "cosine_top2_mean",  # pooled text against clip vectors inside the span
    "global_saliency_outside_mean",
    "log_span_seconds",
)
SCORE_CLIP = 1e-4  # combined scores are kept this far from 0 and 1 before the logit
REFERENCE_PRIOR = 0.01  # the share of windows with the event for which probabilities are stated
HOURS_PER_DAY = 24.0


class Budget(NamedTuple):
    """The threshold for an alert budget; `measured` is False where the curve had to be left."""

    threshold: float
    measured: bool


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logistic regression on MOMENT_FEATURES, fitted out-of-fold, and its false-alarm curve.

    With `calibrated` False nothing was fitted or measured: what stands for probabilities are the
    network's own scores, and no alert budget can be kept.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]  # of the standardised features
    bias: float
    training_prior: float
    reference_prior: float = REFERENCE_PRIOR
    saliency_scale: float = 1.0  # probability of a clip = sigmoid(scale * logit + bias)
    saliency_bias: float = 0.0
    # (probability threshold, false alarms per hour of one query on one camera), ascending
    false_alarms: tuple[tuple[float, float], ...] = ()
    calibrated: bool = True

    @classmethod
    def uncalibrated(cls) -> "Calibration":
        """A moment's probability is its combined score, a clip's the sigmoid of its saliency."""
        features = len(MOMENT_FEATURES)
        return cls(
            mean=(0.0,) * features,
            scale=(1.0,) * features,
            weights=tuple(float(name == "combined_score_logit") for name in MOMENT_FEATURES),
            bias=0.0,
            training_prior=REFERENCE_PRIOR,
            calibrated=False,
        )

    def __post_init__(self) -> None:
        sizes = {len(self.mean), len(self.scale), len(self.weights)}
        if sizes != {len(MOMENT_FEATURES)}:
            raise SettingsError(
                f"a calibration needs mean, scale and weights of the {len(MOMENT_FEATURES)} "
                f"features {', '.join(MOMENT_FEATURES)}; it has lengths {sorted(sizes)}"
            )
        if min(self.scale) <= 0:
            raise SettingsError("a calibration's scales must be positive")
        if not (0 < self.training_prior < 1 and 0 < self.reference_prior < 1):
            raise SettingsError("a calibration's priors must lie between 0 and 1")
        if self.false_alarms and not self.calibrated:
            raise SettingsError("a calibration that was not made has no false-alarm curve")
        _check_curve(self.false_alarms)

    def log_odds(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds [N] of features [N, F] at the reference prior (specs/lite.md, section 8)."""
        standard = (features - np.array(self.mean)) / np.array(self.scale)  # [N, F]
        shift = logit(self.reference_prior) - logit(self.training_prior)
        odds: NDArray[np.float64] = standard @ np.array(self.weights) + (self.bias + shift)
        return odds

    def probability(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability [N] of features [N, F] at the reference prior."""
        probability: NDArray[np.float64] = sigmoid(self.log_odds(features))
        return probability

    def saliency_probability(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Probability of each clip, any shape, from its saliency logit."""
        odds = self.saliency_scale * logits.astype(np.float64) + self.saliency_bias
        probability: NDArray[np.float64] = sigmoid(odds)
        return probability

    def threshold_for(self, alerts_per_day: float) -> Budget:
        """The threshold that lets through about so many false alarms a day.

        Interpolates log(rate) against log-odds of the threshold; beyond what was measured the
        curve's end is used and `measured` is False. Raises SensitivityError for a budget that is
        not positive, and for any budget where the bundle is not calibrated; SettingsError for a
        calibrated bundle without a curve.
        """
        if not (np.isfinite(alerts_per_day) and alerts_per_day > 0):
            raise SensitivityError(
                f"alerts_per_day is {alerts_per_day:g}: it must be a positive number, "
                "0.2 is one in five days"
            )
        if not self.calibrated:
            raise SensitivityError(
                f"{alerts_per_day:g} alerts a day cannot be promised: this bundle was never"
                " calibrated on streams without the event. Give a threshold instead (--threshold"
                " 0.5): it is compared with the network's own score, between 0 and 1; or use a"
                " calibrated bundle"
            )
        if not self.false_alarms:
            raise SettingsError("the bundle measured no false-alarm curve: give a threshold")
        thresholds, rates = np.array(self.false_alarms).T  # each [K]
        # A rate must not rise with the threshold; counting noise can make it seem so.
        falling = np.log(np.minimum.accumulate(rates))
        wanted = np.log(alerts_per_day / HOURS_PER_DAY)
        place = np.interp(wanted, falling[::-1], logit(thresholds)[::-1])
        measured = bool(falling[-1] <= wanted <= falling[0])
        return Budget(float(sigmoid(place)), measured)


def read_calibration(section: Mapping[str, Any]) -> Calibration:
    """A manifest's `calibration` section; raises SettingsError naming what is wrong."""
    try:
        return msgspec.convert(section, Calibration)
    except msgspec.ValidationError as error:
        raise SettingsError(f"the bundle's calibration cannot be used: {error}") from error


def check_threshold(threshold: float) -> float:
    """Return a user's threshold; raises SensitivityError unless it is a probability."""
    if not 0 < threshold < 1:
        raise SensitivityError(
            f"the threshold is {threshold:g}: it is a probability and must lie between 0 and 1"
        )
    return threshold


def moment_features(
    grounding: Grounding, span: Span, window: Window, query: StandingQuery
) -> NDArray[np.float64]:
    """The features [F] of one span, in the order of MOMENT_FEATURES."""
    features: NDArray[np.float64] = span_features(grounding, [span], window, query)[0]
    return features


def span_features(
    grounding: Grounding, spans: Sequence[Span], window: Window, query: StandingQuery
) -> NDArray[np.float64]:
    """The features [S, F] of a pair's spans."""
    valid, clips = window.mask, len(window.mask)
    inside = np.stack([clips_inside(span, valid) for span in spans])  # [S, L]
    overall = np.where(valid, grounding.global_saliency.astype(np.float64), 0.0)  # [L]
    mean_inside = inside @ overall / inside.sum(axis=1)  # [S]
    outside = valid & ~inside
    scores = np.clip([span.score for span in spans], SCORE_CLIP, 1 - SCORE_CLIP)
    seconds = np.array([span.end - span.start for span in spans]) * clips * window.clip_seconds
    columns = [
        logit(scores),
        mean_inside,
        _highest(overall, inside)[:, -1],
        _highest(grounding.local_saliency, inside)[:, -1],
        text_cosines(query.features, window, inside),
        # A span over the whole window has no background: it stands out against nothing.
        np.where(
            outside.any(axis=1),
            outside @ overall / np.maximum(outside.sum(axis=1), 1),
            mean_inside,
        ),
        np.log(np.maximum(seconds, 0.25 * window.clip_seconds)),
    ]
    return np.stack(columns, axis=1)


def clips_inside(span: Span, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which seen clips [L] a span covers at least half; never none.

    A span shorter than that has the clip of its middle, or the nearest one that was seen.
    """
    clips = len(valid)
    inside = np.zeros(clips, np.bool_)
    rows = slice(max(round(span.start * clips), 0), max(round(span.end * clips), 0))
    inside[rows] = valid[rows]
    if not inside.any():
        middle = 0.5 * (span.start + span.end) * clips - 0.5
        seen = np.flatnonzero(valid)
        inside[seen[np.abs(seen - middle).argmin()]] = True
    return inside


def text_cosines(
    text: TextFeatures, window: Window, inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean [S] of the two best cosines between a text and the clips inside each span [S, L]."""
    best = _highest(window.vectors @ text.pooled, inside)[:, -2:]  # [S, 2]
    # A span of one clip has one cosine only: it counts for both.
    cosines: NDArray[np.float64] = np.where(np.isfinite(best), best, best[:, -1:]).mean(axis=1)
    return cosines


def _highest(values: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values [L] inside each span, ascending [S, L]; -inf stands for those outside."""
    return np.sort(np.where(inside, values, -np.inf).astype(np.float64), axis=1)


def logit(probability: Any) -> Any:
    """Log-odds of a probability in (0, 1), a number or an array."""
    return np.log(probability) - np.log1p(-np.asarray(probability))


def sigmoid(odds: Any) -> Any:
    """Probability of log-odds; never overflows."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(odds)))


def _check_curve(curve: tuple[tuple[float, float], ...]) -> None:
    thresholds = [threshold for threshold, _ in curve]
    if thresholds != sorted(set(thresholds)) or not all(0 < t < 1 for t in thresholds):
        raise SettingsError("a false-alarm curve needs ascending thresholds between 0 and 1")
    if not all(rate > 0 for _, rate in curve):
        raise SettingsError("a false-alarm curve needs positive rates: state the bound, not 0")
