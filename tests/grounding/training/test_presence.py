import numpy as np
import pytest

from grounding.training.presence import (
    PresenceSettings,
    alarm_threshold,
    best_scores,
    measure_presence,
    recall_at,
    touching_score,
)
from tests.grounding.training.cases import answer, case, groups_of_folds


def scored(flags: str, score: float, **fields: object):
    """A result with one moment over the event (or anywhere), and its score."""
    about = case(flags, **fields)
    start, end = about.sample.windows[0] if about.present else (0.0, 2.0)
    return answer(about, [(start, end, 0.5)]), np.array([score])


def measured(pairs, **settings: object):
    results, scores = zip(*pairs, strict=True)
    return measure_presence(results, scores, PresenceSettings(**settings))  # type: ignore[arg-type]


def test_a_perfect_model_has_auc_1_in_every_way() -> None:
    pairs = [
        scored(flags, float("#" in flags), groups=(group,), spliced=spliced, concept=concept)
        for group in groups_of_folds(2)
        for spliced in (False, True)
        for concept in ("fall", "fight")
        for flags in ("..#", "...")
    ]
    made = measured(pairs)
    assert made.overall.value == made.overall.low == made.overall.high == 1.0
    assert made.without_splices.value == made.with_splices.value == 1.0
    for by_concept in (
        made.by_concept,
        made.by_concept_without_splices,
        made.by_concept_in_shared_groups,
    ):
        assert {name: one.value for name, one in by_concept.items()} == {"fall": 1, "fight": 1}
    assert {name: one.value for name, one in made.by_absent_kind.items()} == {"plain": 1.0}
    assert made.recall.value == 1.0
    assert made.overall.groups == 10


def test_a_random_model_has_half() -> None:
    random = np.random.default_rng(0)
    pairs = [
        scored("..#" if random.random() < 0.5 else "...", random.normal(), groups=(f"g{k % 60}",))
        for k in range(1200)
    ]
    made = measured(pairs)
    assert made.overall.value == pytest.approx(0.5, abs=0.05)
    assert made.recall.value == pytest.approx(0.05, abs=0.04)


def test_splices_are_told_apart() -> None:
    pairs = [
        scored("..#", 1.0, spliced=False),
        scored("...", 2.0, spliced=False),
        scored("..#", 9.0, spliced=True),
        scored("...", 3.0, spliced=True),
    ]
    made = measured(pairs)
    assert (made.without_splices.value, made.with_splices.value) == (0.0, 1.0)
    assert made.overall.value == 0.5


def test_absent_kinds_are_told_apart() -> None:
    pairs = [
        scored("..#", 2.0),
        scored("...", 1.0, kind="plain"),
        scored("...", 3.0, kind="look_alike"),
    ]
    by_kind = {name: one.value for name, one in measured(pairs).by_absent_kind.items()}
    assert by_kind == {"look_alike": 0.0, "plain": 1.0}


def test_falls_are_reported_without_the_room_that_betrays_them() -> None:
    pairs = [
        scored("..#", 1.0, groups=("bed/001",)),
        scored("...", 2.0, groups=("bed/002",)),
        scored("..#", 9.0, groups=("up_fall",)),
    ]
    assert measured(pairs).by_concept["fall"].value == 0.0
    assert measured(pairs, left_out={}).by_concept["fall"].value == 0.5


def test_shared_groups_are_those_with_both_answers() -> None:
    pairs = [
        scored("..#", 1.0, groups=("a",)),
        scored("...", 2.0, groups=("a",)),
        scored("..#", 9.0, groups=("b",)),  # never seen without
    ]
    made = measured(pairs)
    assert made.by_concept["fall"].value == 0.5
    assert made.by_concept_in_shared_groups["fall"].value == 0.0


def test_a_stream_scores_as_its_best_moment() -> None:
    assert best_scores([np.array([1.0, 3.0]), np.zeros(0)]).tolist() == [3.0, -np.inf]


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.1, 0.5])
def test_no_more_than_the_rate_exceeds_the_threshold(rate: float) -> None:
    absent = np.random.default_rng(0).normal(size=57)
    threshold = alarm_threshold(absent, rate)
    assert (absent > threshold).mean() <= rate
    assert (absent >= threshold).mean() > rate


def test_recall_counts_moments_on_the_last_event_only() -> None:
    about = case("##......##")
    result = answer(about, [(0, 4, 0.9), (17, 20, 0.8), (8, 12, 0.7)])
    assert touching_score(result, np.array([5.0, 2.0, 9.0])) == 2.0
    assert touching_score(answer(about, [(0, 4, 0.9)]), np.array([5.0])) == -np.inf


def test_recall_is_told_by_clips_since_the_onset() -> None:
    pairs = [scored("...", score) for score in (0.0, 0.1, 0.2, 5.0)]
    pairs += [
        scored("...#", 0.1, onset_age_clips=0.4),  # the newest clip holds the onset
        scored("...#", 1.0, onset_age_clips=1.0),
        scored("..##", 1.0, onset_age_clips=1.2),
        scored("####", 1.0),  # no onset seen
    ]
    results, scores = zip(*pairs, strict=True)
    recall, by_age = recall_at(results, scores, rate=0.25)
    assert recall.value == 0.75
    assert {age: one.value for age, one in by_age.items()} == {1: 0.5, 2: 1.0}


def test_without_absent_cases_recall_cannot_be_told() -> None:
    result, score = scored("..#", 1.0)
    recall, by_age = recall_at([result], [score], rate=0.05)
    assert np.isnan(recall.value)
    assert by_age == {}
