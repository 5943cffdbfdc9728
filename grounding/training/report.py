"""The out-of-fold report: what is printed, and what a manifest's `accuracy` holds."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grounding.training.calibrate import CalibrationFit, Reliability
from grounding.training.estimates import Estimate
from grounding.training.evaluate import CaseResult, asks_for
from grounding.training.false_alarms import FalseAlarms
from grounding.training.localisation import Localisation, measure_localisation
from grounding.training.presence import (
    Presence,
    PresenceSettings,
    auc_where,
    best_scores,
    measure_presence,
)

DIGITS = 4


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured out-of-fold; `unseen` holds concepts left out of training."""

    cases: int
    present: int
    groups: int
    localisation: Localisation
    presence: Presence  # by calibrated scores, cross-validated over concepts and folds
    uncalibrated_presence: Estimate  # by the combined score (eq. 9) alone
    unseen: dict[str, Estimate]
    reliability: Reliability
    false_alarms: FalseAlarms | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: four significant digits, None for what cannot be told."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    def table(self) -> str:
        """The figures a reader wants first, one a line."""
        lines = list(_lines(self))
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in lines)


def make_report(
    results: Sequence[CaseResult],
    calibration: CalibrationFit,
    false_alarms: FalseAlarms | None = None,
    held_out: Collection[str] = (),
    settings: PresenceSettings | None = None,
) -> Report:
    """The report of out-of-fold `results`, to which `calibration` was fitted.

    `held_out` names concepts that the detectors behind these results were never trained on
    (leave-one-event-kind-out, the true zero-shot figure; `calibrate` was told them too): their
    cases count in `unseen` only.
    Raises ValueError where no other case shows what it asks for.
    """
    cases = [result.case for result in results]
    rows = [row for row, case in enumerate(cases) if case.concept not in held_out]
    known = [results[row] for row in rows]
    log_odds = calibration.log_odds
    combined = best_scores([result.scores for result in known])
    return Report(
        cases=len(known),
        present=sum(result.case.present for result in known),
        groups=len({group for result in known for group in result.case.groups}),
        localisation=measure_localisation(known),
        presence=measure_presence(known, [log_odds[row] for row in rows], settings),
        uncalibrated_presence=auc_where([r.case for r in known], combined, lambda case: True),
        unseen={
            concept: auc_where(cases, best_scores(log_odds), asks_for(concept))
            for concept in sorted(held_out)
        },
        reliability=calibration.reliability,
        false_alarms=false_alarms,
    )


def _lines(report: Report) -> Iterator[tuple[str, object]]:
    yield "cases", f"{report.cases}, {report.present} present, of {report.groups} source groups"
    yield from _localisation_lines(report.localisation)
    yield from _presence_lines(report.presence)
    yield "presence AUC, uncalibrated", report.uncalibrated_presence
    for concept, estimate in report.unseen.items():
        yield f"presence AUC, {concept} never trained on", estimate
    held = report.reliability
    yield "calibration error", f"{held.expected_calibration_error:.3f}"
    yield "Brier score", f"{held.brier:.4f} (stating the share: {held.brier_of_share:.4f})"
    if report.false_alarms is not None:
        yield from _alarm_lines(report.false_alarms)


def _localisation_lines(found: Localisation) -> Iterator[tuple[str, object]]:
    yield "R1@0.5", found.r1_at_05
    yield "R1@0.7", found.r1_at_07
    yield "mAP .5:.95", found.mean_ap
    ends = found.boundaries
    yield "event met by the first moment", f"{ends.met:.3f}"
    yield "boundary error", f"median {ends.median:.2f} s, p90 {ends.p90:.2f} s"
    yield "  start", f"median {ends.start_median:.2f} s, p90 {ends.start_p90:.2f} s"
    yield "  end", f"median {ends.end_median:.2f} s, p90 {ends.end_p90:.2f} s"


def _presence_lines(presence: Presence) -> Iterator[tuple[str, object]]:
    yield "presence AUC", presence.overall
    yield "  without any splice", presence.without_splices
    yield "  with splices", presence.with_splices
    for title, estimates in (
        ("against", presence.by_absent_kind),
        ("of", presence.by_concept),
        ("without splices, of", presence.by_concept_without_splices),
        ("in groups with both, of", presence.by_concept_in_shared_groups),
    ):
        for name, estimate in estimates.items():
            yield f"  {title} {name}", estimate
    for concept, aucs in presence.background.items():
        verdict = "" if aucs.model > aucs.probe else "  NOT A RESULT"
        value = f"probe {aucs.probe:.3f}, model {aucs.model:.3f}{verdict}"
        yield f"background only, {concept}", value
    rate = f"{100 * presence.false_alarm_rate:g} % of absent streams alarming"
    yield f"recall at {rate}", presence.recall
    for age, estimate in presence.recall_after_onset.items():
        yield f"  {age} clip{'s' if age > 1 else ''} after onset", estimate


def _alarm_lines(found: FalseAlarms) -> Iterator[tuple[str, object]]:
    yield (
        "false alarms, measured on",
        f"{found.query_hours:.1f} query-hours ({found.stream_hours:.1f} h of {found.streams} "
        f"streams, {found.concepts} concepts, {found.groups} source groups)",
    )
    shown = {threshold for threshold, _ in found.curve()}
    for rate in found.rates[:: max(1, len(shown) // 8)]:
        if rate.threshold in shown:
            yield (
                f"  probability >= {rate.threshold:.4f}",
                f"{rate.alarms} alarms, {rate.per_hour:.3f} per hour, at most {rate.upper:.3f}",
            )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
