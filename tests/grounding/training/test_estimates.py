import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.training.estimates import auc, auc_estimate, group_weights, mean_estimate

PRESENT = np.array([True, True, False, False])


def test_auc_of_known_rankings() -> None:
    assert auc(np.array([4.0, 3, 2, 1]), PRESENT) == 1.0
    assert auc(np.array([1.0, 2, 3, 4]), PRESENT) == 0.0
    assert auc(np.array([4.0, 1, 2, 3]), PRESENT) == 0.5
    assert auc(np.zeros(4), PRESENT) == 0.5


def test_nothing_found_is_the_lowest_score() -> None:
    assert auc(np.array([0.1, -np.inf, -np.inf, -np.inf]), PRESENT) == pytest.approx(0.75)


def test_auc_without_both_answers_cannot_be_told() -> None:
    assert np.isnan(auc(np.arange(4.0), np.ones(4, bool)))
    assert np.isnan(auc_estimate(np.zeros(0), np.zeros(0, bool), []).value)
    assert "cannot be told" in str(auc_estimate(np.arange(4.0), np.ones(4, bool), list("abcd")))


def test_strata_are_not_compared_with_each_other() -> None:
    scores = np.array([12.0, 2, 11, 1])  # the second fold's levels are ten lower
    folds = np.array([0, 1, 0, 1])
    assert auc(scores, PRESENT) == 0.75
    assert auc(scores, PRESENT, folds) == 1.0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
@settings(deadline=None)
def test_auc_is_the_share_of_pairs_won(cases: list[tuple[int, bool]]) -> None:
    up = [score for score, present in cases if present]
    down = [score for score, present in cases if not present]
    made = auc(np.array([s for s, _ in cases], float), np.array([p for _, p in cases]))
    if up and down:
        won = [(a > b) + 0.5 * (a == b) for a in up for b in down]
        assert made == pytest.approx(np.mean(won))
    else:
        assert np.isnan(made)


def test_a_random_score_has_half_and_an_interval_around_it() -> None:
    random = np.random.default_rng(0)
    scores, present = random.normal(size=2000), random.random(2000) < 0.4
    made = auc_estimate(scores, present, [f"g{k % 100}" for k in range(2000)])
    assert made.value == pytest.approx(0.5, abs=0.04)
    assert made.low < made.value < made.high
    assert 0.02 < made.high - made.low < 0.12
    assert (made.cases, made.groups) == (2000, 100)


def test_few_groups_make_a_wide_interval() -> None:
    random = np.random.default_rng(1)
    by_group = random.random(8)
    values = np.repeat(by_group, 50)
    groups = [f"g{k // 50}" for k in range(400)]
    wide = mean_estimate(values, groups)
    narrow = mean_estimate(values, [f"g{k}" for k in range(400)])
    assert wide.value == pytest.approx(by_group.mean())
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_weights_draw_whole_groups() -> None:
    weights = group_weights(["a", "b", "a", "c"])
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, [0, 1, 3]].sum(axis=1), 3)
    np.testing.assert_array_equal(weights, group_weights(["a", "b", "a", "c"]))


def test_the_mean_of_nothing_cannot_be_told() -> None:
    assert np.isnan(mean_estimate(np.zeros(0), []).value)
