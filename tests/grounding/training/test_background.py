import numpy as np
import pytest

from grounding.training.background import compare_with_background, probe_scores
from tests.grounding.training.cases import answer, case, groups_of_folds


def world(betrayed: float, seed: int = 0, each: int = 8):
    """Cases whose background betrays the answer by so much, and a perfect model's scores."""
    random = np.random.default_rng(seed)
    results, scores = [], []
    for number, group in enumerate(groups_of_folds(each)):
        for present in (True, False):
            about = case("..#" if present else "...", groups=(group,))
            background = random.normal(size=6)
            background[0] += betrayed * present
            results.append(answer(about, [], background=background.astype(np.float32)))
            scores.append(float(present) + 10 * (number % 5))  # folds have levels of their own
    return results, np.array(scores)


def test_a_background_that_betrays_the_event_is_found_out() -> None:
    results, scores = world(betrayed=8.0)
    made = compare_with_background(results, scores)["fall"]
    assert made.probe > 0.95
    assert made.model == 1.0
    assert made.cases == len(results)


def test_a_background_that_says_nothing_is_worth_a_half() -> None:
    results, scores = world(betrayed=0.0, each=40)
    assert compare_with_background(results, scores)["fall"].probe == pytest.approx(0.5, abs=0.12)


def test_the_probe_never_saw_the_fold_it_is_asked_about() -> None:
    random = np.random.default_rng(0)
    background = random.normal(size=(40, 5))
    present = np.arange(40) % 2 == 0
    folds = np.arange(40) % 4
    scores = probe_scores(background, present, folds)
    changed = probe_scores(background, np.where(folds == 1, ~present, present), folds)
    np.testing.assert_allclose(scores[:, folds == 1], changed[:, folds == 1])
    assert not np.allclose(scores[:, folds == 2], changed[:, folds == 2])


def test_a_concept_with_one_answer_or_one_fold_is_not_compared() -> None:
    one_fold = [
        answer(case(flags, groups=("room",)), [], background=np.ones(3, np.float32))
        for flags in ("#.", "..", "#.", "..")
    ]
    assert compare_with_background(one_fold, np.arange(4.0)) == {}
    one_answer = [answer(case("#.", groups=(g,)), []) for g in groups_of_folds()]
    assert compare_with_background(one_answer, np.arange(5.0)) == {}
