"""Is the queried thing there at all? AUC in the ways that tell knowledge from shortcuts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from grounding.training.background import ProbeComparison, compare_with_background
from grounding.training.estimates import Estimate, Flags, Floats, auc_estimate, mean_estimate
from grounding.training.evaluate import CaseResult, EvaluationCase

Choice = Callable[[EvaluationCase], bool]

ABSENT_KINDS = ("look_alike", "other_event", "plain")
ONSET_CLIPS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """`false_alarm_rate` is the share of absent streams let through where recall is measured.

    `left_out` names, by concept, prefixes of source groups whose cases do not count for it: falls
    are reported without the one room that betrays them.
    """

    false_alarm_rate: float = 0.05
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"fall": ("up_fall",)})


@dataclass(frozen=True, slots=True)
class Presence:
    """AUC and recall of presence; mappings hold only what there are cases for."""

    overall: Estimate
    without_splices: Estimate
    with_splices: Estimate
    by_concept: dict[str, Estimate]
    by_concept_without_splices: dict[str, Estimate]
    by_concept_in_shared_groups: dict[str, Estimate]  # groups that have both answers
    by_absent_kind: dict[str, Estimate]  # all present cases against the absent ones of a kind
    background: dict[str, ProbeComparison]
    false_alarm_rate: float
    recall: Estimate  # at that rate, of all present cases
    recall_after_onset: dict[int, Estimate]  # the onset being in the newest clip: 1


def measure_presence(
    results: Sequence[CaseResult],
    scores: Sequence[Floats],
    settings: PresenceSettings | None = None,
) -> Presence:
    """Presence figures of out-of-fold results; `scores` hold each result's moments' [m].

    A stream's score is that of its best moment, -inf where none was found.
    """
    settings = settings or PresenceSettings()
    best = best_scores(scores)
    cases = [result.case for result in results]

    def measured(choice: Choice) -> Estimate:
        return auc_where(cases, best, choice)

    whole = {concept: _about(concept, settings) for concept in sorted({c.concept for c in cases})}
    recall, after_onset = recall_at(results, scores, settings.false_alarm_rate)
    return Presence(
        overall=measured(lambda case: True),
        without_splices=measured(_unspliced),
        with_splices=measured(lambda case: case.spliced),
        by_concept=_told({name: measured(choice) for name, choice in whole.items()}),
        by_concept_without_splices=_told(
            {name: measured(_both(choice, _unspliced)) for name, choice in whole.items()}
        ),
        by_concept_in_shared_groups=_told(
            {name: measured(_in_shared_groups(cases, choice)) for name, choice in whole.items()}
        ),
        by_absent_kind=_told({kind: measured(_against(kind)) for kind in ABSENT_KINDS}),
        background=compare_with_background(results, best),
        false_alarm_rate=settings.false_alarm_rate,
        recall=recall,
        recall_after_onset=after_onset,
    )


def best_scores(scores: Sequence[Floats]) -> Floats:
    """The best moment's score of every stream [N], -inf where nothing was found."""
    return np.array([moments.max(initial=-np.inf) for moments in scores], np.float64)


def alarm_threshold(absent: Floats, rate: float) -> float:
    """The score that at most a share `rate` of absent streams [N] exceeds.

    >>> alarm_threshold(np.arange(100.0), 0.05)
    94.0
    """
    ranked = np.sort(absent)
    let_through = int(np.floor(rate * len(ranked) + 1e-9))
    return float(ranked[max(len(ranked) - 1 - let_through, 0)])


def recall_at(
    results: Sequence[CaseResult], scores: Sequence[Floats], rate: float
) -> tuple[Estimate, dict[int, Estimate]]:
    """Recall of present cases when a share `rate` of the absent streams raises an alarm.

    Of all, and by how many clips have begun since the last onset (live, an event is first seen as
    one clip at the right edge). A case is recalled if a moment that touches its last true window
    exceeds the threshold. Not told (NaN) without absent cases.
    """
    present = [row for row, result in enumerate(results) if result.case.present]
    groups = [results[row].case.group for row in present]
    absent = np.array([not result.case.present for result in results], np.bool_)
    if not (absent.any() and present):
        return mean_estimate(np.zeros(0), []), {}
    threshold = alarm_threshold(best_scores(scores)[absent], rate)
    caught = np.array(
        [touching_score(results[row], scores[row]) > threshold for row in present], np.float64
    )
    ages = np.array([_clips_since_onset(results[row].case) for row in present])
    by_age = {}
    for age in ONSET_CLIPS:
        rows = np.flatnonzero(ages == age)
        if len(rows):
            by_age[age] = mean_estimate(caught[rows], [groups[row] for row in rows])
    return mean_estimate(caught, groups), by_age


def touching_score(result: CaseResult, scores: Floats) -> float:
    """The best score among moments that touch the last true window, -inf where none does."""
    truths = result.case.sample.windows
    start, end = truths[truths[:, 0].argmax()]
    found = result.windows[: len(scores)]
    touching = (found[:, 0] < end) & (found[:, 1] > start)
    return float(scores[touching].max(initial=-np.inf))


def auc_where(cases: Sequence[EvaluationCase], best: Floats, choice: Choice) -> Estimate:
    """AUC of streams' scores [N] over the cases chosen; NaN unless both answers occur."""
    rows = [row for row, case in enumerate(cases) if choice(case)]
    present: Flags = np.array([cases[row].present for row in rows], np.bool_)
    return auc_estimate(best[rows], present, [cases[row].group for row in rows])


def _clips_since_onset(case: EvaluationCase) -> int:
    return 0 if case.onset_age_clips is None else max(1, int(np.ceil(case.onset_age_clips)))


def _about(concept: str, settings: PresenceSettings) -> Choice:
    prefixes = settings.left_out.get(concept, ())
    return lambda case: case.concept == concept and not case.group.startswith(prefixes)


def _against(kind: str) -> Choice:
    return lambda case: case.kind in ("present", kind)


def _both(first: Choice, second: Choice) -> Choice:
    return lambda case: first(case) and second(case)


def _unspliced(case: EvaluationCase) -> bool:
    return not case.spliced


def _in_shared_groups(cases: Sequence[EvaluationCase], choice: Choice) -> Choice:
    chosen = [case for case in cases if choice(case)]
    shared = {c.group for c in chosen if c.present} & {c.group for c in chosen if not c.present}
    return _both(choice, lambda case: case.group in shared)


def _told(estimates: dict[str, Estimate]) -> dict[str, Estimate]:
    return {name: one for name, one in estimates.items() if not np.isnan(one.value)}
