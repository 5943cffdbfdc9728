"""The losses' own rules: weights, reductions and official quirks, without golden figures."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.sgdetr.atss_loss import sigmoid_focal_loss
from grounding.sgdetr.loss_settings import LossSettings
from grounding.sgdetr.losses import SGDETRLoss, term_weight
from grounding.sgdetr.saliency_loss import SaliencyScores, saliency_terms
from tests.grounding.sgdetr import loss_samples as samples

OFFICIAL = LossSettings.official()
LIVE = LossSettings.live()


def contrast_by_loops(own, foreign, labels, mask, tau=0.5):
    """The rank-contrastive term as the specification tells it, clip by clip."""
    total = 0.0
    for rank in range(1, 12):
        for row in range(len(own)):
            logits, marks = list(own[row]), list(labels[row])
            there = list(mask[row])
            if foreign is not None:
                logits += list(foreign[row])
                marks += [0.0] * len(foreign[row])
                there *= 2
            logits = [x / tau if m else -1e3 / tau for x, m in zip(logits, there, strict=True)]
            chosen = [i for i, label in enumerate(marks) if label >= rank]
            if not chosen:
                continue
            top = max(logits)
            norm = math.log(sum(math.exp(x - top) for x in logits) + 1e-6)
            mean = sum(logits[i] - top - norm for i in chosen) / (len(chosen) + 1e-6)
            total -= mean / len(own)
    return total / 12


def scores_of(result):
    negative = result.negative
    if negative is None:
        kept = torch.zeros(len(result.mask), dtype=torch.bool)
        return SaliencyScores(result.local_saliency, None, kept)
    return SaliencyScores(result.local_saliency, negative.local_saliency, negative.kept)


@given(st.lists(st.booleans(), min_size=2, max_size=4), st.integers(0, 50), st.booleans())
@settings(max_examples=30, deadline=None)
def test_rank_contrast_equals_the_loop(kept, seed, official):
    wanted = samples.targets([1] * len(kept), negative_ok=kept)
    mask = torch.ones(len(kept), samples.CLIPS)
    mask[0, 6:] = 0
    wanted = replace(wanted, saliency=wanted.saliency * mask)
    result = samples.predictions(wanted, seed, mask)
    own, labels = result.local_saliency.detach().double(), wanted.saliency
    alone = [i for i, keep in enumerate(kept) if not keep]
    rows = [i for i, keep in enumerate(kept) if keep]
    expected = 0.0
    if rows:
        foreign = result.negative.local_saliency.detach().double()
        parts = (x.tolist() for x in (own[rows], foreign, labels[rows], mask[rows]))
        expected += contrast_by_loops(*parts)
    if alone and (not official or len(alone) > 1):
        parts = (x[alone].tolist() for x in (own, labels, mask))
        first, *rest = parts
        expected += contrast_by_loops(first, None, *rest)
    rules = OFFICIAL if official else LIVE
    found = saliency_terms(scores_of(result), mask, wanted, rules)["saliency_contrastive"]
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_margin_is_on_probabilities_and_twice_the_mean():
    wanted = samples.targets([1, 1])
    result = samples.predictions(wanted)
    p = result.local_saliency.detach().sigmoid()
    hinge = []
    for b in range(2):
        for high, low in zip(wanted.positive_clips[b], wanted.negative_clips[b], strict=True):
            hinge.append(max(0.0, 0.15 + float(p[b, low] - p[b, high])))
    found = saliency_terms(scores_of(result), result.mask, wanted, OFFICIAL)["margin_saliency"]
    assert float(found.detach()) == pytest.approx(2 * sum(hinge) / 4, rel=1e-5)


def test_sure_foreign_clips_cost_a_finite_amount():
    wanted = samples.targets([1, 1])
    result = samples.predictions(wanted)
    loud = torch.full_like(result.local_saliency, 100.0)
    scores = SaliencyScores(result.local_saliency, loud, wanted.negative_pairs())
    found = saliency_terms(scores, result.mask, wanted, OFFICIAL)["saliency_neg_pair"]
    assert float(found) == pytest.approx(-math.log(1e-7), rel=1e-4)


def test_total_is_the_weighted_sum_and_alone_carries_gradients():
    wanted = samples.targets([1, 2])
    report = SGDETRLoss(OFFICIAL)(samples.predictions(wanted), wanted)
    expected = sum(report.weights[name] * float(value) for name, value in report.terms.items())
    assert report.total.item() == pytest.approx(expected, rel=1e-5)
    parts = sum(float(value) for value in report.parts.values())
    assert float(report.terms["loss_saliency"]) == pytest.approx(parts, rel=1e-5)
    assert len(report.parts) == 8
    assert report.total.requires_grad
    assert not any(value.requires_grad for value in (report.terms | report.parts).values())


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("loss_span", 10.0),
        ("enc_loss_giou", 1.0),
        ("co_loss_label_1", 5.0),
        ("aux_loss_span", 0.1),
        ("aux_loss_ctrness", 0.5),
        ("loss_momcls", 3.0),
        ("loss_saliency", 1.0),
    ],
)
def test_weights_follow_names(name, weight):
    assert term_weight(name, OFFICIAL) == weight


def test_shares_scale_the_selectors_and_the_collaborative_terms():
    wanted = samples.targets([1, 2])
    result = samples.predictions(wanted)
    half = SGDETRLoss(OFFICIAL)(result, wanted).terms
    whole = SGDETRLoss(replace(OFFICIAL, selector_share=1.0, collab_share=1.0))(
        result, wanted
    ).terms
    for name in ("enc_loss_span", "co_loss_giou_0"):
        torch.testing.assert_close(2 * half[name], whole[name])
    torch.testing.assert_close(half["loss_span"], whole["loss_span"])


def test_highlight_data_sets_train_on_saliency_alone():
    wanted = samples.targets([1, 2])
    report = SGDETRLoss(LossSettings.highlights())(samples.predictions(wanted), wanted)
    assert set(report.terms) == {"loss_saliency", "loss_ms_align", "loss_momcls"}


def test_learned_anchors_have_no_selector_terms():
    wanted = samples.targets([1, 2])
    result = replace(samples.predictions(wanted), encoder=None, collab=None)
    terms = SGDETRLoss(OFFICIAL)(result, wanted).terms
    assert not [name for name in terms if name.startswith(("enc_", "co_"))]


def test_a_forward_pass_without_targets_is_refused():
    wanted = samples.targets([1])
    result = replace(samples.predictions(wanted), tokens=None)
    with pytest.raises(ValueError, match="no targets"):
        SGDETRLoss(OFFICIAL)(result, wanted)


@given(st.floats(-8, 8), st.sampled_from([0.0, 1.0]), st.floats(0.1, 0.9))
@settings(deadline=None)
def test_focal_loss_by_its_formula(logit, target, alpha):
    p = 1 / (1 + math.exp(-logit))
    p, balance = (p, alpha) if target else (1 - p, 1 - alpha)
    expected = -balance * (1 - p) ** 2 * math.log(p)
    found = sigmoid_focal_loss(torch.tensor(logit), torch.tensor(target), alpha)
    assert float(found) == pytest.approx(expected, rel=1e-3, abs=1e-6)
