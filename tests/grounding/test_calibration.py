from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.embedding import TextFeatures
from grounding.calibration import (
    MOMENT_FEATURES,
    Calibration,
    check_threshold,
    clips_inside,
    logit,
    moment_features,
    read_calibration,
    sigmoid,
    span_features,
    text_cosines,
)
from grounding.detector import Grounding
from grounding.errors import SensitivityError, SettingsError
from grounding.moment import Span
from grounding.window import Window
from tests.grounding.worlds import SESSION, SPACE, T0, calibration, query, vector

CURVE = ((0.1, 10.0), (0.3, 1.0), (0.5, 0.1), (0.9, 0.01))


def window(cosines: list[float], mask: list[bool] | None = None) -> Window:
    clips = len(cosines)
    return Window(
        camera_id="yard",
        session=SESSION,
        index=clips - 1,
        first_index=0,
        start=T0,
        seen_until=T0 + 2.0 * clips,
        clip_seconds=2.0,
        vectors=np.stack([vector({0: cosine}) for cosine in cosines]),
        mask=np.array(mask if mask is not None else [True] * clips),
    )


def grounding(local: list[float], overall: list[float]) -> Grounding:
    return Grounding((), np.array(local, np.float32), np.array(overall, np.float32))


def named(features: np.ndarray) -> dict[str, float]:
    return dict(zip(MOMENT_FEATURES, features.tolist(), strict=True))


def test_features_say_what_their_names_say() -> None:
    #            clips   0    1    2    3       span: clips 1 and 2
    made = window([0.1, 0.6, 0.8, 0.2])
    logits = grounding([0, 1, 5, 9], [-4, 1, 3, -2])
    found = named(moment_features(logits, Span(0.25, 0.75, 0.9), made, query()))
    assert found == pytest.approx(
        {
            "combined_score_logit": logit(0.9),
            "global_saliency_mean": 2.0,
            "global_saliency_max": 3.0,
            "local_saliency_max": 5.0,
            "cosine_top2_mean": 0.7,
            "global_saliency_outside_mean": -3.0,
            "log_span_seconds": np.log(4.0),
        },
        abs=1e-6,
    )


def test_masked_clips_take_no_part() -> None:
    made = window([0.1, 0.6, 0.8, 0.2], [True, True, False, True])
    logits = grounding([0, 1, 50, 9], [-4, 1, 30, -2])
    found = named(moment_features(logits, Span(0.25, 0.75, 0.9), made, query()))
    assert found["global_saliency_max"] == 1.0
    assert found["global_saliency_outside_mean"] == -3.0


def test_a_span_over_the_whole_window_stands_out_against_nothing() -> None:
    made = window([0.5, 0.5])
    found = named(moment_features(grounding([1, 1], [2, 4]), Span(0, 1, 0.5), made, query()))
    assert found["global_saliency_outside_mean"] == found["global_saliency_mean"] == 3.0


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_extreme_scores_stay_finite(score: float) -> None:
    features = moment_features(grounding([0], [0]), Span(0, 0, score), window([0.1]), query())
    assert np.isfinite(features).all()


@given(
    st.lists(st.booleans(), min_size=1, max_size=75).filter(any),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_every_span_has_a_clip_that_was_seen(mask: list[bool], one: float, other: float) -> None:
    valid = np.array(mask)
    inside = clips_inside(Span(min(one, other), max(one, other), 0.5), valid)
    assert inside.any()
    assert not (inside & ~valid).any()


def test_a_tiny_span_has_the_clip_of_its_middle() -> None:
    assert clips_inside(Span(0.51, 0.52, 1), np.ones(4, bool)).tolist() == [0, 0, 1, 0]


def test_cosine_of_one_clip_is_its_own() -> None:
    text = TextFeatures("", SPACE.id, vector({0: 1.0}), vector({0: 1.0})[None])
    made = window([0.3, 0.9])
    inside = np.array([[True, False], [True, True]])
    assert text_cosines(text, made, inside).tolist() == pytest.approx([0.3, 0.6], abs=1e-6)


def test_the_prior_shift_is_exact() -> None:
    # At equal priors nothing is shifted; otherwise odds scale by the ratio of the priors' odds.
    features = np.random.default_rng(0).normal(size=(50, len(MOMENT_FEATURES)))
    same = calibration(training_prior=0.01).probability(features)
    shifted = calibration(training_prior=0.3).probability(features)
    ratio = (0.01 / 0.99) / (0.3 / 0.7)
    np.testing.assert_allclose(shifted / (1 - shifted), same / (1 - same) * ratio, rtol=1e-9)


def test_probability_rises_with_a_feature_of_positive_weight() -> None:
    features = np.zeros((20, len(MOMENT_FEATURES)))
    features[:, 2] = np.linspace(-50, 50, 20)
    found = calibration().probability(features)
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_log_odds_and_probability_agree() -> None:
    features = np.random.default_rng(1).normal(size=(9, len(MOMENT_FEATURES)))
    made = calibration(training_prior=0.2, bias=0.4)
    np.testing.assert_allclose(logit(made.probability(features)), made.log_odds(features))


def test_saliency_is_a_probability() -> None:
    made = calibration(saliency_scale=2.0, saliency_bias=-1.0)
    found = made.saliency_probability(np.array([-1e4, 0.5, 1e4], np.float32))
    np.testing.assert_allclose(found, [0.0, 0.5, 1.0])


def test_the_curve_gives_back_its_own_points() -> None:
    made = calibration(false_alarms=CURVE)
    for threshold, rate in CURVE:
        budget = made.threshold_for(rate * 24)
        assert budget.threshold == pytest.approx(threshold)
        assert budget.measured


@given(st.floats(1e-4, 1e4), st.floats(1e-4, 1e4))
def test_a_smaller_budget_never_has_a_lower_threshold(one: float, other: float) -> None:
    made = calibration(false_alarms=CURVE)
    few, many = sorted((one, other))
    assert made.threshold_for(few).threshold >= made.threshold_for(many).threshold - 1e-12


def test_beyond_the_measured_range_the_end_is_used_and_said() -> None:
    made = calibration(false_alarms=CURVE)
    assert made.threshold_for(1e-3) == (pytest.approx(0.9), False)
    assert made.threshold_for(1e6) == (pytest.approx(0.1), False)


def test_counting_noise_does_not_turn_the_curve_round() -> None:
    made = calibration(false_alarms=((0.2, 1.0), (0.4, 1.5), (0.6, 0.1)))
    wanted = [made.threshold_for(24 * rate).threshold for rate in (0.1, 0.3, 0.9, 1.0)]
    assert wanted == sorted(wanted, reverse=True)


@pytest.mark.parametrize("budget", [0, -1, float("nan"), float("inf")])
def test_a_budget_must_be_positive(budget: float) -> None:
    with pytest.raises(SensitivityError, match="positive number"):
        calibration(false_alarms=CURVE).threshold_for(budget)


def test_a_budget_needs_a_curve() -> None:
    with pytest.raises(SettingsError, match="give a threshold"):
        calibration().threshold_for(1)


@pytest.mark.parametrize("threshold", [7, 0, 1, -0.1, float("nan")])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(SensitivityError, match="between 0 and 1"):
        check_threshold(threshold)


def test_a_fair_threshold_is_returned() -> None:
    assert check_threshold(0.3) == 0.3


GOOD = {
    "mean": [0] * 7,
    "scale": [1] * 7,
    "weights": [0.5] * 7,
    "bias": 0.0,
    "training_prior": 0.3,
    "false_alarms": [[0.2, 1.0], [0.4, 0.1]],
}


def test_a_manifest_section_is_read() -> None:
    made = read_calibration(GOOD)
    assert made.weights == (0.5,) * 7
    assert made.reference_prior == 0.01
    assert made.threshold_for(24).threshold == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mean": [0] * 6}, "7 features"),
        ({"scale": [0] * 7}, "positive"),
        ({"training_prior": 1.0}, "priors"),
        ({"bias": "none"}, "bias"),
        ({"weight": []}, "weight"),
        ({"false_alarms": [[0.4, 1.0], [0.2, 0.1]]}, "ascending"),
        ({"false_alarms": [[0.4, 0.0]]}, "positive rates"),
    ],
)
def test_a_bad_section_is_named(change: dict, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_calibration(GOOD | change)


@given(st.floats(1e-9, 1 - 1e-9))
def test_logit_and_sigmoid_undo_each_other(probability: float) -> None:
    assert sigmoid(logit(probability)) == pytest.approx(probability, rel=1e-6)


def test_features_do_not_depend_on_where_the_window_is_on_the_clock() -> None:
    made, logits = window([0.1, 0.6, 0.8, 0.2]), grounding([0, 1, 5, 9], [-4, 1, 3, -2])
    span = Span(0.25, 0.75, 0.9)
    later = replace(made, start=made.start + 1e6, seen_until=made.seen_until + 1e6)
    np.testing.assert_array_equal(
        moment_features(logits, span, made, query()), moment_features(logits, span, later, query())
    )


def plain_features(logits: Grounding, span: Span, made: Window, text: TextFeatures) -> list[float]:
    """The slow twin of `span_features`, clip by clip."""
    inside = np.flatnonzero(clips_inside(span, made.mask)).tolist()
    outside = [row for row in np.flatnonzero(made.mask).tolist() if row not in inside]
    overall = logits.global_saliency.tolist()
    mean = sum(overall[row] for row in inside) / len(inside)
    cosines = sorted(float(made.vectors[row] @ text.pooled) for row in inside)[-2:]
    score = min(max(span.score, 1e-4), 1 - 1e-4)
    seconds = (span.end - span.start) * len(made.mask) * 2.0
    return [
        float(np.log(score / (1 - score))),
        mean,
        max(overall[row] for row in inside),
        max(float(logits.local_saliency[row]) for row in inside),
        sum(cosines) / len(cosines),
        sum(overall[row] for row in outside) / len(outside) if outside else mean,
        float(np.log(max(seconds, 0.5))),
    ]


@given(st.integers(1, 75), st.integers(0, 2**31))
def test_features_of_many_spans_agree_with_the_slow_twin(clips: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random(clips) < 0.8
    mask[-1] = True
    made = window(rng.random(clips).tolist(), mask.tolist())
    logits = grounding(rng.normal(size=clips).tolist(), rng.normal(size=clips).tolist())
    ends = np.sort(rng.random((4, 2)), axis=1)
    spans = [Span(*pair, score) for pair, score in zip(ends.tolist(), rng.random(4), strict=True)]
    found = span_features(logits, spans, made, query())
    for row, span in zip(found, spans, strict=True):
        expected = plain_features(logits, span, made, query().features)
        np.testing.assert_allclose(row, expected, atol=1e-5)
        np.testing.assert_array_equal(row, moment_features(logits, span, made, query()))


def test_without_a_calibration_scores_are_the_networks_own() -> None:
    made = Calibration.uncalibrated()
    features = np.zeros((3, len(MOMENT_FEATURES)))
    scores = np.array([0.02, 0.5, 0.97])
    features[:, 0] = logit(scores)
    features[:, 1:] = 3.0  # nothing else counts
    np.testing.assert_allclose(made.probability(features), scores)
    np.testing.assert_allclose(made.saliency_probability(np.array([0.0, 2.0])), [0.5, sigmoid(2.0)])


def test_without_a_calibration_no_budget_is_promised() -> None:
    made = Calibration.uncalibrated()
    assert not made.calibrated
    with pytest.raises(
        SensitivityError, match=r"^1 alerts a day cannot be promised: .*--threshold"
    ):
        made.threshold_for(1.0)
    with pytest.raises(SensitivityError, match="positive number"):
        made.threshold_for(0.0)


def test_what_is_not_calibrated_is_a_state_of_the_manifest() -> None:
    section = msgspec.json.decode(msgspec.json.encode(Calibration.uncalibrated()))
    assert section["calibrated"] is False
    assert read_calibration(section) == Calibration.uncalibrated()
    with pytest.raises(SettingsError, match="not made has no false-alarm curve"):
        read_calibration(section | {"false_alarms": CURVE})
    assert calibration().calibrated  # manifests that say nothing of it are
