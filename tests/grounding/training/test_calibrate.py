import numpy as np
import pytest

from grounding.calibration import MOMENT_FEATURES, logit, sigmoid
from grounding.training.calibrate import calibrate, expected_calibration_error, reliability
from grounding.training.fit_calibration import FitSettings
from tests.grounding.training.cases import answer, case, groups_of_folds

QUICK = FitSettings(l2=(1e-3,), folds=2)
RIGHT, WRONG = (4.0, 8.0, 0.5), (12.0, 16.0, 0.5)


def world(cases: int = 600, seed: int = 0, concepts: tuple[str, ...] = ("fall", "fight", "fire")):
    """Streams with one moment each, right with a probability that its first feature gives."""
    random = np.random.default_rng(seed)
    groups = groups_of_folds(4)
    results = []
    for number in range(cases):
        features = random.normal(size=(1, len(MOMENT_FEATURES)))
        right = random.random() < sigmoid(2.0 * features[0, 0] - 1.0)
        flags = "..##...." if right or number // 3 % 3 == 0 else "........"
        about = case(flags, groups=(groups[number % 20],), concept=concepts[number % len(concepts)])
        results.append(answer(about, [RIGHT if right else WRONG], features=features))
    return results


def test_probabilities_hold_for_concepts_that_were_left_out() -> None:
    made = calibrate(world(2000), QUICK)
    assert made.reliability.expected_calibration_error < 0.04
    assert made.reliability.brier < 0.8 * made.reliability.brier_of_share
    assert made.reliability.moments == 2000


def test_the_training_prior_is_the_share_of_present_cases() -> None:
    results = world()
    made = calibrate(results, QUICK).shipped
    assert made.training_prior == pytest.approx(np.mean([r.case.present for r in results]))
    assert made.reference_prior == 0.01


def test_log_odds_are_at_the_reference_prior_and_close_to_the_shipped_ones() -> None:
    results = world(2000)
    made = calibrate(results, QUICK)
    for result, odds in zip(results[:50], made.log_odds, strict=False):
        np.testing.assert_allclose(odds, made.shipped.log_odds(result.features), atol=1.0)
    shift = logit(made.shipped.reference_prior) - logit(made.shipped.training_prior)
    assert np.median(np.concatenate(made.log_odds)) == pytest.approx(-1.0 + shift, abs=0.4)


def test_a_fold_is_never_judged_by_a_fit_that_saw_it() -> None:
    results = world()
    fold = results[0].case.fold
    poisoned = [
        answer(r.case, [RIGHT], features=100 + r.features) if r.case.fold == fold else r
        for r in results
    ]
    clean, other = calibrate(results, QUICK), calibrate(poisoned, QUICK)
    assert clean.for_fold(fold) == other.for_fold(fold)
    assert clean.shipped != other.shipped


def test_a_concept_is_never_judged_by_a_fit_that_saw_it() -> None:
    results = world()
    poisoned = [
        answer(r.case, [WRONG], features=-r.features) if r.case.concept == "fall" else r
        for r in results
    ]
    made = calibrate(poisoned, QUICK)
    clean = calibrate(results, QUICK)
    for row, (one, before) in enumerate(zip(poisoned, results, strict=True)):
        if one.case.concept == "fall":  # same fit, other features
            total = made.log_odds[row] + clean.log_odds[row]
            np.testing.assert_allclose(total, total[0], atol=1e-9)
            assert before.case.concept == "fall"


def test_one_fold_alone_is_held_apart_by_concept_only() -> None:
    group = groups_of_folds()[0]
    results = [
        answer(case(flags, groups=(group,), concept=concept), [RIGHT], np.full((1, 7), value))
        for concept in ("fall", "fight")
        for flags, value in (("..##....", 1.0), ("........", -1.0))
        for _ in range(5)
    ]
    made = calibrate(results, QUICK)
    assert made.without_fold == {}
    assert made.for_fold(3) is made.shipped


def test_saliency_is_a_probability_of_the_clip() -> None:
    made = calibrate(world(), QUICK).shipped
    assert made.saliency_probability(np.array([2.0]))[0] > 0.9
    assert made.saliency_probability(np.array([-2.0]))[0] < 0.1


def test_a_stream_without_moments_counts_without_a_row() -> None:
    results = [*world(), answer(case("........"), [])]
    made = calibrate(results, QUICK)
    assert len(made.log_odds) == len(results)
    assert made.log_odds[-1].shape == (0,)


def test_concepts_held_out_of_training_fit_nothing() -> None:
    results = world()
    poisoned = [
        answer(r.case, [WRONG], features=-r.features) if r.case.concept == "fire" else r
        for r in results
    ]
    clean = calibrate(results, QUICK, held_out=("fire",))
    other = calibrate(poisoned, QUICK, held_out=("fire",))
    assert clean.shipped == other.shipped
    assert clean.reliability == other.reliability
    assert len(other.log_odds) == len(poisoned)


def test_one_concept_cannot_be_calibrated_across_concepts() -> None:
    with pytest.raises(ValueError, match="two concepts"):
        calibrate(world(concepts=("fall",)), QUICK)


def test_reliability_of_known_statements() -> None:
    right = np.array([True, False, False, False])
    perfect = reliability(np.full(4, 0.25), right)
    assert perfect.expected_calibration_error == 0.0
    assert perfect.brier == perfect.brier_of_share == 0.1875
    certain = reliability(np.array([1.0, 0, 0, 0]), right)
    assert (certain.brier, certain.expected_calibration_error) == (0.0, 0.0)
    assert expected_calibration_error(np.full(4, 0.95), right) == pytest.approx(0.7)
