"""The official QVHighlights metrics: moment retrieval (MR) and highlight detection (HL).

Equal, digit by digit, to `standalone_eval/eval.py` of jayleicn/moment_detr.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.average_precision import (
    IOU_THRESHOLDS,
    Floats,
    average_precisions,
    highlight_precisions,
    top_ious,
)

Metrics = dict[str, Any]

CLIP_SECONDS = 2.0
ANNOTATORS = 3
LENGTHS: dict[str, tuple[float, float] | None] = {  # (above, up to) seconds
    "short": (0, 10),
    "middle": (10, 30),
    "long": (30, 150),
    "full": None,  # no filter at all
}
LEVELS = {"Fair": 2, "Good": 3, "VeryGood": 4}  # a clip is positive from this score on


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What was found for one query."""

    query_id: int
    windows: Floats  # [k, 3] start s, end s, score; the order listed counts
    saliency: Floats | None = None  # [C] one score per two-second clip


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the annotators marked for one query."""

    query_id: int
    windows: Floats  # [n, 2] start s, end s
    saliency: Floats  # [C, 3] 0..4 by each annotator, 0 outside the relevant clips


def read_predictions(path: Path) -> list[Prediction]:
    """Predictions of a JSON-lines file in the official submission format.

    Raises ValueError naming the line that is not one.
    """
    return [
        Prediction(
            query_id=line["qid"],
            windows=np.array(line["pred_relevant_windows"], np.float64).reshape(-1, 3),
            saliency=_optional(line.get("pred_saliency_scores")),
        )
        for line in _lines(path, ("qid", "pred_relevant_windows"))
    ]


def read_truths(path: Path) -> list[Truth]:
    """Annotations of a JSON-lines file such as `highlight_val_release.jsonl`.

    Raises ValueError naming the line that is not one.
    """
    wanted = ("qid", "relevant_windows", "duration", "relevant_clip_ids", "saliency_scores")
    truths = []
    for line in _lines(path, wanted):
        saliency = np.zeros((int(line["duration"] / CLIP_SECONDS), ANNOTATORS))
        saliency[line["relevant_clip_ids"]] = line["saliency_scores"]
        windows = np.array(line["relevant_windows"], np.float64).reshape(-1, 2)
        truths.append(Truth(line["qid"], windows, saliency))
    return truths


def evaluate(predictions: Sequence[Prediction], truths: Sequence[Truth]) -> Metrics:
    """All official numbers, per cent rounded to two digits, under the official names.

    HL numbers are left out when a prediction has no saliency. Raises ValueError when the queries
    of both sides differ, or a query has no window on either side.
    """
    by_id = _matched(predictions, truths)
    pairs = [(prediction, by_id[prediction.query_id]) for prediction in predictions]
    metrics: Metrics = {name: _retrieval(pairs, limits) for name, limits in LENGTHS.items()}
    if all(prediction.saliency is not None for prediction in predictions):
        metrics |= _highlights(pairs)
    return {"brief": _brief(metrics), **metrics}


def _retrieval(
    pairs: Sequence[tuple[Prediction, Truth]], limits: tuple[float, float] | None
) -> Metrics:
    found, truths = [], []
    for prediction, truth in pairs:
        length = truth.windows[:, 1] - truth.windows[:, 0]
        kept = truth.windows
        if limits is not None:
            kept = kept[(length > limits[0]) & (length <= limits[1])]
        if len(kept):  # a query without a window of that length is left out
            found.append(prediction.windows)
            truths.append(kept)
    if not found:
        return {"MR-mAP": {}, "MR-R1": {}}
    precision = average_precisions(found, truths).mean(axis=0)  # [T]
    top, _ = top_ious(found, truths)
    names = [str(threshold) for threshold in IOU_THRESHOLDS]
    average = {name: _percent(value) for name, value in zip(names, precision, strict=True)}
    average["average"] = _percent(precision.mean())
    recall = {str(t): _percent((top >= t).mean()) for t in IOU_THRESHOLDS}
    return {"MR-mAP": average, "MR-R1": recall}


def _highlights(pairs: Sequence[tuple[Prediction, Truth]]) -> Metrics:
    saliency = [p.saliency for p, _ in pairs if p.saliency is not None]
    metrics: Metrics = {}
    for name, least in LEVELS.items():
        positive = [(truth.saliency >= least).astype(np.float64) for _, truth in pairs]
        tops = [int(scores.argmax()) for scores in saliency]
        hits = [
            top < len(marks) and bool(marks[top].any())
            for top, marks in zip(tops, positive, strict=True)
        ]
        metrics[f"HL-min-{name}"] = {
            "HL-mAP": _percent(highlight_precisions(saliency, positive).mean()),
            "HL-Hit1": _percent(np.mean(hits)),
        }
    return metrics


def _brief(metrics: Metrics) -> Metrics:
    full = metrics["full"]
    brief = {f"MR-full-R1@{t}": full["MR-R1"].get(t) for t in ("0.5", "0.7")}
    brief["MR-full-mAP"] = full["MR-mAP"].get("average")
    brief |= {f"MR-full-mAP@{t}": full["MR-mAP"].get(t) for t in ("0.5", "0.75")}
    for name in ("long", "middle", "short"):
        brief[f"MR-{name}-mAP"] = metrics[name]["MR-mAP"].get("average")
    for name in (f"HL-min-{level}" for level in LEVELS):
        if name in metrics:
            brief[f"{name}-mAP"] = metrics[name]["HL-mAP"]
            brief[f"{name}-Hit1"] = metrics[name]["HL-Hit1"]
    return brief


def _matched(predictions: Sequence[Prediction], truths: Sequence[Truth]) -> dict[int, Truth]:
    by_id = {truth.query_id: truth for truth in truths}
    answered = {prediction.query_id for prediction in predictions}
    if answered != by_id.keys() or len(answered) < len(predictions) or len(by_id) < len(truths):
        raise ValueError(
            f"predictions and annotations must hold the same queries, once each: "
            f"{sorted(by_id.keys() - answered)[:5]} are not answered, "
            f"{sorted(answered - by_id.keys())[:5]} were not asked"
        )
    empty = [one.query_id for one in predictions if not len(one.windows)]
    empty += [one.query_id for one in truths if not len(one.windows)]
    if empty:
        raise ValueError(f"queries without any window have no official score: {empty[:5]}")
    return by_id


def _lines(path: Path, wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, text in enumerate(lines, start=1):
            try:
                line = json.loads(text)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: not JSON: {error}") from error
            missing = [name for name in wanted if name not in line]
            if missing:
                raise ValueError(f"{path}, line {number}: {', '.join(missing)} missing")
            yield line


def _optional(scores: Sequence[float] | None) -> Floats | None:
    return None if scores is None else np.array(scores, np.float64)


def _percent(share: float | np.floating[Any]) -> float:
    return float(f"{100 * share:.2f}")
