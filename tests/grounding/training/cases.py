"""Evaluation cases drawn in ASCII, and answers to them made by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from grounding.calibration import MOMENT_FEATURES
from grounding.training.evaluate import CaseResult, EvaluationCase
from grounding.training.footage import FOLDS, fold_of
from grounding.training.samples import FULL_SALIENCY, Sample
from tests.grounding.worlds import runs, text, vector


def case(flags: str, **fields: Any) -> EvaluationCase:
    """A stream of clips, `#` what is asked for, `.` nothing.

    >>> case(".##.").sample.windows.tolist()
    [[2.0, 6.0]]
    """
    shown = [flag == "#" for flag in flags]
    features = text(0)
    sample = Sample(
        vectors=np.stack([vector({0: 0.9} if flag else {}) for flag in shown]),
        tokens=features.tokens,
        windows=2.0 * np.array(runs(shown), np.float64).reshape(-1, 2),
        saliency=np.where(shown, FULL_SALIENCY, 0.0).astype(np.float32),
        stream=fields.pop("stream", None),
        query=fields.pop("query", None),
    )
    values: dict[str, Any] = {
        "concept": "fall",
        "kind": "present" if any(shown) else "plain",
        "spliced": False,
        "groups": ("room 1",),
        "onset_age_clips": None,
    }
    return EvaluationCase(sample=sample, pooled=features.pooled, **(values | fields))


def answer(
    about: EvaluationCase,
    windows: Sequence[tuple[float, float, float]],
    features: np.ndarray | None = None,
    background: np.ndarray | None = None,
) -> CaseResult:
    """A result with these windows (start s, end s, score); all of them have features."""
    clips = len(about.sample.vectors)
    made = np.zeros((len(windows), len(MOMENT_FEATURES))) if features is None else features
    return CaseResult(
        case=about,
        windows=np.array(windows, np.float64).reshape(-1, 3),
        features=made,
        local_saliency=np.zeros(clips, np.float32),
        global_saliency=np.where(about.sample.saliency > 0, 2.0, -2.0).astype(np.float32),
        background=np.zeros(4, np.float32) if background is None else background,
    )


def groups_of_folds(each: int = 1) -> list[str]:
    """`each` group names of every fold, fold by fold in turn."""
    found: dict[int, list[str]] = {fold: [] for fold in range(FOLDS)}
    number = 0
    while any(len(names) < each for names in found.values()):
        name = f"camera {number}"
        number += 1
        if len(found[fold_of(name)]) < each:
            found[fold_of(name)].append(name)
    return [found[fold][turn] for turn in range(each) for fold in range(FOLDS)]
