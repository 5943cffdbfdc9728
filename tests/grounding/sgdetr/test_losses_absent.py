"""Windows in which the query is absent: what they enter, what they stay out of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.loss_settings import LossSettings
from grounding.sgdetr.losses import SGDETRLoss
from grounding.sgdetr.model import SGDETR
from tests.grounding.sgdetr import loss_samples as samples

LIVE = SGDETRLoss(LossSettings.live())
PRESENT_ONLY = (
    [f"{head}loss_{kind}" for head in ("", "enc_") for kind in ("span", "giou", "quality")]
    + ["aux_loss_giou", "aux_loss_span", "aux_loss_ctrness", "loss_ms_align", "loss_momcls"]
    + ["co_loss_span", "co_loss_giou", "co_loss_label"]
)
PRESENT_ONLY_PARTS = ("margin_saliency", "saliency_contrastive")


@given(st.lists(st.integers(0, 2), min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_any_batch_trains(counts, seed):
    wanted = samples.targets(counts)
    result = samples.predictions(wanted, seed)
    report = LIVE(result, wanted)
    report.total.backward()
    assert torch.isfinite(report.total)
    for name, leaf in samples.leaves(result).items():
        assert leaf.grad is not None, name
        assert torch.isfinite(leaf.grad).all(), name


def test_a_batch_without_any_window_has_only_its_negative_terms():
    wanted = samples.targets([0, 0, 0])
    report = LIVE(samples.predictions(wanted), wanted)
    for name in PRESENT_ONLY:
        assert float(report.terms.get(name, torch.zeros(()))) == 0.0, name
    for name in PRESENT_ONLY_PARTS:
        assert float(report.parts[f"{name}_local"]) == 0.0
    for name in ("loss_label", "enc_loss_label", "aux_loss_label"):
        assert float(report.terms[name]) > 0
    assert float(report.parts["saliency_bce_local"]) > 0
    assert float(report.parts["saliency_neg_pair_global"]) > 0


def test_an_absent_sample_does_not_move_the_terms_it_stays_out_of():
    """Swapping what the network says about the absent sample changes nothing there."""
    wanted = samples.targets([2, 0, 1], negative_ok=[False] * 3)
    first, other = samples.predictions(wanted, seed=1), samples.predictions(wanted, seed=2)

    def swap(a, b):
        if isinstance(a, torch.Tensor) and a.shape[:1] == (3,) and a.is_floating_point():
            return torch.stack([a[0], b[1], a[2]])
        if isinstance(a, tuple) and not isinstance(a[0], int):
            return tuple(swap(x, y) for x, y in zip(a, b, strict=True))
        if hasattr(a, "__dataclass_fields__"):
            names = a.__dataclass_fields__
            return replace(a, **{n: swap(getattr(a, n), getattr(b, n)) for n in names})
        return a

    mixed = swap(first, other)
    before, after = LIVE(first, wanted), LIVE(mixed, wanted)
    for name in PRESENT_ONLY:
        torch.testing.assert_close(before.terms[name], after.terms[name])
    for name in PRESENT_ONLY_PARTS:
        torch.testing.assert_close(before.parts[f"{name}_local"], after.parts[f"{name}_local"])
    for name in ("loss_label", "aux_loss_label"):
        assert before.terms[name] != after.terms[name]
    assert before.parts["saliency_bce_global"] != after.parts["saliency_bce_global"]


def test_queries_of_an_absent_sample_weigh_in_full():
    wanted = samples.targets([0])
    result = samples.predictions(wanted)
    label = result.last.label
    expected = F.binary_cross_entropy_with_logits(label, torch.zeros_like(label))
    torch.testing.assert_close(LIVE(result, wanted).terms["loss_label"], expected)
    quiet = SGDETRLoss(replace(LossSettings.live(), absent_background=0.1))
    torch.testing.assert_close(quiet(result, wanted).terms["loss_label"], 0.1 * expected)


def test_the_focal_loss_is_divided_by_the_batchs_positives():
    wanted = samples.targets([1, 0])
    result = samples.predictions(wanted)
    report = LIVE(result, wanted)
    positive = result.assignment.positive
    assert not positive[1].any()
    p = result.atss.label.sigmoid()
    focal = torch.where(positive, -0.25 * (1 - p) ** 2 * p.log(), -0.75 * p**2 * (1 - p).log())
    expected = focal.sum() / positive.sum()
    torch.testing.assert_close(report.terms["aux_loss_label"], expected)


def test_padded_positions_count_nowhere():
    mask = torch.ones(2, samples.CLIPS)
    mask[1, 6:] = 0
    wanted = samples.targets([2, 0])
    result = samples.predictions(wanted, mask=mask)
    report = LIVE(result, wanted)
    report.total.backward()
    outside = ~result.atss.valid
    assert outside.any()
    for leaf in (result.atss.label, result.atss.box, result.atss.centerness):
        assert (leaf.grad[outside] == 0).all()
    assert (result.local_saliency.grad[mask == 0] == 0).all()


def test_a_rolled_pair_counts_only_where_it_is_known_to_be_absent():
    wanted = samples.targets([1, 1, 1], negative_ok=[True, False, True])
    assert wanted.negative_pairs().tolist() == [True, False, True]
    nothing = samples.targets([1, 1], negative_ok=[False, False])
    result = samples.predictions(nothing)
    assert result.negative is None
    report = LIVE(result, nothing)
    assert float(report.parts["saliency_neg_pair_local"]) == 0.0
    assert float(report.parts["saliency_contrastive_local"]) > 0


def test_fillers_among_collaborative_queries_do_not_count():
    wanted = samples.targets([1, 1])
    result = samples.predictions(wanted)
    used = torch.tensor([[True] * 4, [True, True, False, False]])
    filled = replace(result, collab=replace(result.collab, used=used))
    logits = result.collab.layers[-1].label
    target = result.collab.positive.float()
    expected = F.binary_cross_entropy_with_logits(logits[used], target[used])
    terms = LIVE(filled, wanted).terms
    torch.testing.assert_close(terms["co_loss_label"], 0.5 * expected)


@pytest.mark.parametrize("counts", [[1, 0, 2], [0, 0, 0], [0], [1]])
def test_the_live_network_trains_on_it(counts):
    torch.manual_seed(0)
    config = replace(
        SGDETRConfig.live(), video_features=12, text_features=12, width=32, ffn_width=32
    )
    model = SGDETR(config).train()
    rows = len(counts)
    mask = torch.ones(rows, samples.CLIPS)
    mask[-1, 2:] = 0  # two clips: fewer positions than queries
    wanted = samples.targets(counts)
    if counts[-1]:
        inside = torch.tensor([[0.5, 1.0]])  # the window is the sample's whole two clips
        wanted = replace(wanted, spans=(*wanted.spans[:-1], inside))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    video, text = torch.randn(rows, samples.CLIPS, 12), torch.randn(rows, 5, 12)
    totals = []
    for _ in range(4):
        report = LIVE(model(video, mask, text, torch.ones(rows, 5), targets=wanted), wanted)
        optimiser.zero_grad()
        report.total.backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                assert torch.isfinite(parameter.grad).all(), name
        optimiser.step()
        totals.append(float(report.total.detach()))
    assert np.isfinite(totals).all()
    assert totals[-1] < totals[0]
