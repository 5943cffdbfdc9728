import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.calibration import MOMENT_FEATURES, sigmoid
from grounding.training.fit_calibration import (
    FitSettings,
    count_alarms,
    false_alarm_curve,
    fit,
    fit_logistic,
    fit_saliency,
)

FEATURES = len(MOMENT_FEATURES)
TRUE_WEIGHTS = np.array([1.5, -1.0, 0.5, 0.0, 2.0, -0.5, 0.25])


def sample(rows: int, bias: float = -1.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, FEATURES))
    labels = rng.random(rows) < sigmoid(features @ TRUE_WEIGHTS + bias)
    groups = [f"group {number % 23}" for number in range(rows)]
    return features, labels, groups


def test_known_weights_are_found_again() -> None:
    features, labels, _ = sample(40_000)
    weights, bias = fit_logistic(features, labels, l2=1e-6)
    np.testing.assert_allclose(weights, TRUE_WEIGHTS, atol=0.08)
    assert bias == pytest.approx(-1.0, abs=0.08)


def test_the_fit_does_not_care_about_units() -> None:
    features, labels, groups = sample(4000)
    units = np.array([1, 10, 0.1, 100, 1, 5, 1e-3])
    plain = fit(features, labels, groups)
    scaled = fit(features * units + 7, labels, groups)
    np.testing.assert_allclose(
        plain.probability(features), scaled.probability(features * units + 7), atol=1e-3
    )


def test_probabilities_are_calibrated_at_the_training_prior() -> None:
    features, labels, groups = sample(20_000, seed=1)
    prior = float(labels.mean())
    made = fit(features, labels, groups, FitSettings(reference_prior=prior))
    assert made.training_prior == prior
    found = made.probability(features)
    for low in np.arange(0, 1, 0.2):
        chosen = (found >= low) & (found < low + 0.2)
        assert labels[chosen].mean() == pytest.approx(found[chosen].mean(), abs=0.04)


def test_at_the_reference_prior_probabilities_fit_a_thinned_sample() -> None:
    # Keep few of the positives, so that one window in a hundred has the event.
    features, labels, groups = sample(200_000, seed=2)
    made = fit(features[:20_000], labels[:20_000], groups[:20_000])
    keep = ~labels | (
        np.random.default_rng(3).random(len(labels))
        < 0.01 / 0.99 * (~labels).mean() / labels.mean()
    )
    found = made.probability(features[keep])
    assert labels[keep].mean() == pytest.approx(0.01, abs=0.002)
    assert found.mean() == pytest.approx(labels[keep].mean(), rel=0.2)


def test_a_feature_that_never_varies_is_harmless() -> None:
    features, labels, groups = sample(500)
    features[:, 3] = 4.0
    made = fit(features, labels, groups)
    assert np.isfinite(made.probability(features)).all()


def test_one_label_alone_cannot_be_fitted() -> None:
    features, _, groups = sample(10)
    with pytest.raises(ValueError, match="that are there and"):
        fit(features, np.ones(10, bool), groups)


def test_a_single_group_falls_back_to_the_first_penalty() -> None:
    features, labels, _ = sample(200)
    made = fit(features, labels, ["only"] * 200)
    assert np.isfinite(made.bias)


def test_more_penalty_means_smaller_weights() -> None:
    features, labels, _ = sample(1000)
    sizes = [np.abs(fit_logistic(features, labels, l2)[0]).sum() for l2 in (1e-6, 0.1, 10.0)]
    assert sizes == sorted(sizes, reverse=True)


def test_saliency_scale_and_bias() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 3, 50_000)
    labels = rng.random(50_000) < sigmoid(0.7 * logits - 2.0)
    scale, bias = fit_saliency(logits, labels)
    assert (scale, bias) == (pytest.approx(0.7, abs=0.05), pytest.approx(-2.0, abs=0.1))


def test_saliency_never_turns_round() -> None:
    logits = np.linspace(-3, 3, 100)
    scale, _ = fit_saliency(logits, logits < 0)
    assert scale > 0


def test_moments_closer_than_merging_are_one_alarm() -> None:
    #  |--|   |--|                 |-|       5 s apart: one; 30 s: another
    moments = np.array([[0, 5, 0.9], [10, 15, 0.9], [45, 47, 0.9]], float)
    assert count_alarms(moments, 10.0) == 2
    assert count_alarms(moments[::-1], 10.0) == 2
    assert count_alarms(moments[:0], 10.0) == 0


def test_a_long_moment_covers_short_ones() -> None:
    assert count_alarms(np.array([[0, 100, 0.9], [1, 2, 0.9], [95, 96, 0.9]], float), 10.0) == 1


def test_the_curve_ends_with_the_bound_where_nothing_was_seen() -> None:
    streams = [np.array([[0, 2, 0.15], [50, 52, 0.35]]), np.array([[9, 12, 0.25]])]
    curve = false_alarm_curve(streams, hours=10, thresholds=(0.1, 0.2, 0.3, 0.4, 0.5))
    assert curve == ((0.1, 0.3), (0.2, 0.2), (0.3, 0.1), (0.4, 0.3))


rows = st.tuples(st.floats(0, 1000), st.floats(0.5, 30), st.floats(0.01, 0.99))


@settings(max_examples=50)
@given(st.lists(rows, max_size=40))
def test_counting_agrees_with_walking_the_clock(moments: list[tuple[float, float, float]]) -> None:
    stream = np.array([(start, start + length, p) for start, length, p in moments]).reshape(-1, 3)
    alarms, reached = 0, -np.inf
    for start, end, _ in sorted(stream.tolist()):
        alarms += start > reached + 10.0
        reached = max(reached, end)
    assert count_alarms(stream, 10.0) == alarms
