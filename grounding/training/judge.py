"""Out-of-fold judgement of the default bundle: every figure its manifest states."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from encoder.training.clip_features import ClipComposer
from encoder.training.lite import SETTINGS
from encoder.training.towers import MotionHead
from grounding.calibration import Calibration
from grounding.settings import DetectorSettings
from grounding.sgdetr.export import saliency_parameters
from grounding.sgdetr.model import SGDETR
from grounding.training.calibrate import calibrate
from grounding.training.evaluate import (
    OPEN_VOCABULARY,
    CaseResult,
    EvaluationCase,
    TorchGraph,
    asks_for,
    case_of,
    evaluate_cases,
)
from grounding.training.event_samples import EventComposer
from grounding.training.false_alarms import (
    StreamMoments,
    false_alarm_streams,
    measure_false_alarms,
)
from grounding.training.footage import FOLDS
from grounding.training.lite import Material, Workshop, held_out, load_fit, load_pretrained
from grounding.training.presence import auc_where, best_scores
from grounding.training.report import Report, make_report
from grounding.training.streams import Stream

Say = Callable[[str], None]
OPEN_GATE = -1e4


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How much is composed for the judgement, per fold."""

    streams: int = 300
    absent_hours: float = 12.0  # query-hours of streams in which the queried thing is absent
    seed: int = 1000
    gate_recall: float = 0.98  # of present queries, by the best clip inside the event


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What the manifest needs of the out-of-fold results."""

    report: Report
    calibration: Calibration
    gate_threshold: float
    gate_passes: float  # share of absent clips that pass the gate
    still_auc: float  # presence AUC of events with the motion head silenced ...
    moving_auc: float  # ... and with it, by the same uncalibrated score
    zero_shot: dict[str, float]  # presence AUC by concept of a detector that saw no event at all


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    results: list[CaseResult]
    still: list[CaseResult]
    zero_shot: list[CaseResult]
    absent: list[StreamMoments]


def judge(
    shop: Workshop, material: Material, say: Say, settings: JudgeSettings | None = None
) -> Judgement:
    """Judge the folds that were fitted, each on the source groups it never saw."""
    settings = settings or JudgeSettings()
    folds = [_judge_fold(shop, material, fold, settings, say) for fold in range(FOLDS)]
    results = [result for fold in folds for result in fold.results]
    fitted = calibrate(results)
    absent = [stream for fold in folds for stream in fold.absent]
    alarms = measure_false_alarms(absent, fitted.for_fold)
    threshold, passes = _gate(results, settings.gate_recall)
    still = [result for fold in folds for result in fold.still]
    return Judgement(
        report=make_report(results, fitted, alarms),
        calibration=_with_curve(fitted.shipped, alarms.curve()),
        gate_threshold=threshold,
        gate_passes=passes,
        still_auc=_event_auc(still),
        moving_auc=_event_auc(results),
        zero_shot=zero_shot_aucs([result for fold in folds for result in fold.zero_shot]),
    )


def zero_shot_aucs(results: Sequence[CaseResult]) -> dict[str, float]:
    """Presence AUC of each concept, by the combined score alone."""
    cases = [result.case for result in results]
    scores = best_scores([result.scores for result in results])
    named = sorted({case.concept for case in cases if case.present} - {OPEN_VOCABULARY})
    aucs = {name: auc_where(cases, scores, asks_for(name)).value for name in named}
    return {name: round(auc, 4) for name, auc in aucs.items() if not math.isnan(auc)}


def detector_settings(model: SGDETR, gate_threshold: float) -> DetectorSettings:
    """The manifest's detector section for a model."""
    scale, bias = saliency_parameters(model)
    return DetectorSettings(saliency_scale=scale, saliency_bias=bias, gate_threshold=gate_threshold)


def _judge_fold(
    shop: Workshop, material: Material, fold: int, settings: JudgeSettings, say: Say
) -> _Fold:
    motion, model = load_fit(shop, fold)
    graph, live = TorchGraph(model), detector_settings(model, OPEN_GATE)
    cases = _cases(material, motion, fold, settings)
    results = evaluate_cases(graph, cases, live)
    still_cases = _cases(material, MotionHead(SETTINGS), fold, settings)
    still = evaluate_cases(graph, still_cases, live)
    # Pre-training saw Flickr8k alone, so this is zero-shot for every event at once
    zero_shot = evaluate_cases(TorchGraph(load_pretrained(shop)), still_cases, live)
    absent = _absent_cases(material, motion, fold, settings)
    say(f"fold {fold}: {len(cases)} cases, {len(absent)} absent streams")
    return _Fold(results, still, zero_shot, false_alarm_streams(graph, absent, live))


def _cases(
    material: Material, motion: MotionHead, fold: int, settings: JudgeSettings
) -> list[EvaluationCase]:
    compose = _composer(material, motion, fold, settings.seed)
    streams = [compose.composer.stream() for _ in range(settings.streams)]
    return _with_pooled(material, compose, streams)


def _absent_cases(
    material: Material, motion: MotionHead, fold: int, settings: JudgeSettings
) -> list[EvaluationCase]:
    compose = _composer(material, motion, fold, settings.seed + 1)
    cases: list[EvaluationCase] = []
    while sum(case.seconds for case in cases) < 3600.0 * settings.absent_hours:
        streams = [compose.composer.stream() for _ in range(200)]
        cases += [case for case in _with_pooled(material, compose, streams) if not case.present]
    return cases


def _composer(material: Material, motion: MotionHead, fold: int, seed: int) -> EventComposer:
    composer = material.composer(held_out(material, fold), seed + 10 * fold, "held_out")
    clips = ClipComposer(material.store, motion)
    return EventComposer(composer, clips.vectors, material.texts.tokens)


def _with_pooled(
    material: Material, compose: EventComposer, streams: Sequence[Stream]
) -> list[EvaluationCase]:
    samples = compose.samples(streams)
    pooled = material.texts.pooled([sample.query.text for sample in samples]).numpy()
    return [case_of(sample, vector) for sample, vector in zip(samples, pooled, strict=True)]


def _gate(results: Sequence[CaseResult], recall: float) -> tuple[float, float]:
    """The logit that the best clip inside `recall` of the events reaches, and the share of clips
    of absent queries that reach it too."""
    best = [
        float(result.local_saliency[result.case.sample.saliency > 0].max())
        for result in results
        if result.case.present and (result.case.sample.saliency > 0).any()
    ]
    threshold = float(np.quantile(best, 1.0 - recall))
    absent = np.concatenate([r.local_saliency for r in results if not r.case.present])
    return threshold, float((absent >= threshold).mean())


def _event_auc(results: Sequence[CaseResult]) -> float:
    """Presence AUC, by the combined score alone, of queries that name an event or activity."""
    cases = [result.case for result in results]
    scores = best_scores([result.scores for result in results])
    return auc_where(cases, scores, lambda case: case.concept != OPEN_VOCABULARY).value


def _with_curve(calibration: Calibration, curve: tuple[tuple[float, float], ...]) -> Calibration:
    return msgspec.structs.replace(calibration, false_alarms=curve)
