"""How often a query that is not there raises an alarm, per hour of one camera."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grounding.calibration import Calibration, sigmoid
from grounding.gate import Session
from grounding.settings import DetectorSettings
from grounding.training.estimates import Floats
from grounding.training.evaluate import EvaluationCase, evaluate_cases
from grounding.training.fit_calibration import count_alarms
from grounding.training.samples import CLIP_SECONDS

LEAST_QUERY_HOURS = 50.0
MERGE_SECONDS = 10.0  # moments closer than this are one alert
CONFIDENCE = 0.95
# Probabilities at the reference prior of 1 % are small: even steps of log-odds.
THRESHOLDS = tuple(float(sigmoid(odds)) for odds in np.arange(-7.0, 5.01, 0.25))


@dataclass(frozen=True, slots=True, eq=False)
class StreamMoments:
    """All moments found in one absent stream, whatever its length."""

    case: EvaluationCase
    moments: Floats  # [M, 2] start s, end s of the stream
    features: Floats  # [M, F]


@dataclass(frozen=True, slots=True)
class AlarmRate:
    """Alarms at one threshold."""

    threshold: float
    alarms: int
    per_hour: float  # of one query on one camera
    upper: float  # 95 % Poisson bound; 3 / hours when none was seen


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """What was measured, and on how much.

    One query-hour is one hour of one camera watched for one query; several queries on one stream
    count it several times in `query_hours` and once in `stream_hours`.
    """

    query_hours: float
    stream_hours: float
    streams: int
    groups: int  # distinct source groups: hours composed of few cameras say little about others
    concepts: int
    rates: tuple[AlarmRate, ...]  # by ascending threshold

    def curve(self) -> tuple[tuple[float, float], ...]:
        """(threshold, false alarms per hour) for `Calibration.false_alarms`.

        The first threshold without any alarm has the bound; higher ones were not measured.
        """
        curve: list[tuple[float, float]] = []
        for rate in self.rates:
            curve.append((rate.threshold, rate.per_hour if rate.alarms else rate.upper))
            if not rate.alarms:
                break
        return tuple(curve)


def false_alarm_streams(
    graph: Session, cases: Sequence[EvaluationCase], settings: DetectorSettings, batch: int = 32
) -> list[StreamMoments]:
    """All moments in absent streams of any length.

    A stream is cut into windows as long as the detector's that do not overlap, and each is
    evaluated whole, once: so the time it takes is that of `hours * 24` pairs. Live, windows slide
    by a clip and the gate is asked first; the tracker joins what one event raises.
    Raises ValueError for a case that is present.
    """
    pieces: list[EvaluationCase] = []
    owners: list[tuple[int, float]] = []  # row of the case, second at which the piece begins
    for row, case in enumerate(cases):
        if case.present:
            raise ValueError(f"a false alarm cannot be counted where {case.concept!r} is shown")
        for first in range(0, len(case.sample.vectors), settings.window_clips):
            pieces.append(_piece(case, first, settings.window_clips))
            owners.append((row, first * CLIP_SECONDS))
    moments: list[list[Floats]] = [[np.zeros((0, 2))] for _ in cases]
    features: list[list[Floats]] = [[] for _ in cases]
    for (row, start), result in zip(
        owners, evaluate_cases(graph, pieces, settings, batch), strict=True
    ):
        moments[row].append(result.windows[: len(result.features), :2] + start)
        features[row].append(result.features)
    return [
        StreamMoments(case, np.concatenate(found), np.concatenate(rows))
        for case, found, rows in zip(cases, moments, features, strict=True)
    ]


def measure_false_alarms(
    streams: Sequence[StreamMoments],
    calibration_for: Callable[[int], Calibration],
    thresholds: Sequence[float] = THRESHOLDS,
    least_hours: float = LEAST_QUERY_HOURS,
) -> FalseAlarms:
    """Alarms per query-hour at every threshold on the calibrated probability.

    `calibration_for(fold)` never saw the fold (`CalibrationFit.for_fold`). Moments closer than
    MERGE_SECONDS are one alarm. Composed and real footage are measured apart; for the minutes of
    real footage give `least_hours` 0 and report the counts.
    Raises ValueError for fewer than `least_hours` query-hours.
    """
    hours = sum(stream.case.seconds for stream in streams) / 3600
    if not streams or hours < least_hours:
        raise ValueError(
            f"false alarms were looked for in {hours:.1f} query-hours: at least {least_hours:g}"
        )
    scored = [_scored(stream, calibration_for(stream.case.fold)) for stream in streams]
    seconds = {id(s.case.sample.vectors): s.case.seconds for s in streams}
    return FalseAlarms(
        query_hours=hours,
        stream_hours=sum(seconds.values()) / 3600,
        streams=len(seconds),
        groups=len({group for stream in streams for group in stream.case.groups}),
        concepts=len({stream.case.concept for stream in streams}),
        rates=tuple(_rate(scored, hours, threshold) for threshold in sorted(thresholds)),
    )


def poisson_upper(count: int, exposure: float) -> float:
    """The one-sided 95 % upper bound of a rate of which `count` cases were seen.

    >>> round(poisson_upper(0, 100.0), 2), round(poisson_upper(10, 1.0), 2)
    (0.03, 16.96)
    """
    from scipy.stats import chi2

    return float(chi2.ppf(CONFIDENCE, 2 * (count + 1))) / 2 / exposure


def _piece(case: EvaluationCase, first: int, clips: int) -> EvaluationCase:
    sample = case.sample
    last = first + clips
    cut = replace(sample, vectors=sample.vectors[first:last], saliency=sample.saliency[first:last])
    return replace(case, sample=cut)


def _scored(stream: StreamMoments, calibration: Calibration) -> Floats:
    """Start s, end s and probability of every moment, [M, 3]."""
    return np.column_stack([stream.moments, calibration.probability(stream.features)])


def _rate(streams: Sequence[Floats], hours: float, threshold: float) -> AlarmRate:
    alarms = sum(count_alarms(rows[rows[:, 2] >= threshold], MERGE_SECONDS) for rows in streams)
    return AlarmRate(threshold, alarms, alarms / hours, poisson_upper(alarms, hours))
