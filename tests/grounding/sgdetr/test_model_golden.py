"""The forward pass against the official code's figures: every intermediate tensor of every case."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR
from grounding.sgdetr.pyramid import level_masks
from grounding.sgdetr.selector import proposals
from tests.grounding.sgdetr import loss_golden
from tests.grounding.sgdetr.networks import GOLDEN, in_order, with_recipe, without_dropout

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "sgdetr_a_L75_N12.npz").exists(), reason="golden figures are not here"
)
INPUTS = ("src_vid", "src_vid_mask", "src_txt", "src_txt_mask")
CASES = {
    "sgdetr_a_L75_N12": (SGDETRConfig.qvhighlights(), "sgdetr_a_L75_N12"),
    "sgdetr_b_L40_N40": (SGDETRConfig.qvhighlights(), "sgdetr_b_L40_N40"),
    "sgdetr_c_batch3_L40": (SGDETRConfig.qvhighlights(), "sgdetr_c_batch3_L40"),
    "sgdetr_d_L8_N5": (SGDETRConfig.qvhighlights(), "sgdetr_d_L8_N5"),
    "sgdetr_e_tacos_L120_N9": (SGDETRConfig.tacos(), "sgdetr_e_tacos_L120_N9"),
    "sgdetr_a_L75_N12_f64": (SGDETRConfig.qvhighlights(), "sgdetr_a_L75_N12"),
    "sgdetr_d_L8_N5_f64": (SGDETRConfig.qvhighlights(), "sgdetr_d_L8_N5"),
}
LOGITS = ("S_", "sel_cls", "sel_iou", "sel_topk_", "dec_cls", "dec_quality", "atss_")
EXACT = ("sel_valid", "sel_topk_index", "atss_anchor", "pos_vid")


def tolerance(name: str, double: bool) -> float:
    """Section 3 of the golden README."""
    if name.startswith(EXACT) and not double:
        return 0.0
    if double:
        return 2e-6
    if name in ("dec_span", "dec_ref", "sel_ref"):
        return 5e-6
    return 2e-5 if name.startswith(LOGITS) else 5e-5


def watch(model: SGDETR) -> dict[str, list]:
    """Collect the outputs of the modules whose results are intermediate tensors."""
    seen: dict[str, list] = defaultdict(list)
    stack = model.txt2vis_sal_encoder.t2v_encoder
    modules = {
        "proj_vid": [model.input_vid_proj],
        "proj_txt": [model.input_txt_proj],
        "F_sent": [model.local_saliency_head],
        "pos_vid": [model.clip_positions],
        "sgca_layers": list(stack.layers),
        "sgca": [stack],
        "encoder_layers": list(model.det_encoder.encoder.layers),
        "amplified": [model.saliency_amplifier],
        "fpn": [model.fpn],
        "selector_memory": [model.query_selector.enc_output_norm],
        "hidden": [model.main_det_head.decoder.norm],
    }
    for name, group in modules.items():
        for module in group:
            module.register_forward_hook(
                lambda _module, _inputs, out, name=name: seen[name].append(out)
            )
    return seen


def tensors(model: SGDETR, inputs: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Everything the golden files name, of one forward pass."""
    seen = watch(model)
    with torch.no_grad():
        found = model(*inputs)
        masks = level_masks(inputs[1])
        proposal, valid = proposals(masks, None)
        selector = model.query_selector
        scored = selector.score(torch.cat(seen["fpn"][0], dim=1), proposal, valid)
        coordinates = selector.enc_out_span_embed(scored.memory) + proposal
    best = scored.rank.topk(25, dim=1).indices
    out = {name: seen[name][0] for name in ("proj_vid", "proj_txt", "F_sent", "pos_vid")}
    out |= {
        "S_local": found.local_saliency,
        "S_global": found.global_saliency,
        "sgca_video": seen["sgca"][0][0],
        "sgca_text": seen["sgca"][0][1],
        "M": seen["encoder_layers"][-1],
        "M_g": seen["amplified"][1],
        "sel_valid": valid,
        "sel_cls": scored.label,
        "sel_iou": scored.quality,
        "sel_combo": scored.rank,
        "sel_proposal_logit": proposal,
        "sel_coord_logit": coordinates,
        "sel_topk": best,
        "sel_ref": found.encoder.span,
        "sel_topk_cls": found.encoder.label,
        "sel_topk_iou": found.encoder.quality,
        "dec_hs": torch.stack(seen["hidden"][:3]),
        "dec_ref": torch.stack([layer.reference for layer in found.layers]),
        "dec_cls": torch.stack([layer.label for layer in found.layers]),
        "dec_span": torch.stack([layer.span for layer in found.layers]),
        "dec_quality": torch.stack([layer.quality for layer in found.layers]),
    }
    out |= {f"enc_layer{i}": x for i, x in enumerate(seen["encoder_layers"])}
    out |= {f"fpn{i}": x for i, x in enumerate(seen["fpn"][0])}
    for i, video in enumerate(seen["sgca_layers"]):
        out[f"sgca_layer{i}_prenorm_video"] = video
    lengths = list(found.atss.level_lengths)
    parts = {"cls": found.atss.label, "box": found.atss.box, "ctr": found.atss.centerness}
    for name, whole in parts.items():
        out |= {f"atss_{name}{i}": x for i, x in enumerate(whole.split(lengths, dim=1))}
    out |= {f"atss_anchor{i}": x for i, x in enumerate(found.atss.anchors.split(lengths))}
    return out


@pytest.mark.parametrize("case", CASES)
def test_forward(case):
    config, source = CASES[case]
    double = case.endswith("_f64")
    model = with_recipe(config).to(torch.float64 if double else torch.float32)
    given = loss_golden.load(f"{source}.npz")
    inputs = [torch.from_numpy(given[name]).to(model.global_saliency_head.bias) for name in INPUTS]
    found = tensors(model, inputs)
    compared = 0
    for name, expected in loss_golden.load(f"{case}.npz").items():
        if name in INPUTS or name.endswith(("_b0", "_b1", "_b2")) or name == "duration":
            continue
        if name.endswith("_prenorm"):  # theirs holds the text rows too
            mine = found[f"{name}_video"].numpy()
            expected = expected[:, : mine.shape[1]]
        else:
            mine = found[name].numpy()
        if name == "sel_topk":
            np.testing.assert_array_equal(mine, expected)
        else:
            atol = tolerance(name, double)
            np.testing.assert_allclose(
                mine.reshape(expected.shape), expected, rtol=0, atol=atol, err_msg=name
            )
        compared += 1
    assert compared >= 12


@pytest.fixture(scope="module", params=["loss_allneg.npz", "loss_one_excluded.npz"])
def trained(request):
    """A training forward pass; its loss and gradients are test_loss_model's."""
    arrays = loss_golden.load(request.param)
    model = with_recipe(without_dropout(SGDETRConfig.qvhighlights())).train()
    inputs = [loss_golden.tensor(arrays, f"in/{name}") for name in INPUTS]
    targets = loss_golden.targets_of(arrays)
    with torch.no_grad():
        found = model(*inputs, targets, in_order)
    return arrays, found


def same_queries(spans: torch.Tensor, expected: np.ndarray) -> torch.Tensor:
    """Where each expected query stands among ours, [B, Q].

    Two selected queries may be closer in rank than float32 can tell, and then stand the other way
    round on another processor. That they are as close is told by comparing their scores.
    """
    cost = torch.cdist(spans, torch.from_numpy(expected).to(spans), p=1)  # [B, ours, theirs]
    rows = [linear_sum_assignment(one.T.numpy())[1] for one in cost]
    return torch.from_numpy(np.stack(rows))


def test_training_outputs(trained):
    arrays, found = trained
    pairs = {
        "local_saliency_scores": found.local_saliency,
        "saliency_scores": found.global_saliency,
        "local_saliency_scores_neg": found.negative.local_saliency,
        "saliency_scores_neg": found.negative.global_saliency,
        "real_neg_mask": found.negative.kept,
        "moment_token": found.tokens.moment,
        "non_moment_token": found.tokens.other,
        "sent_txt_token": found.tokens.sentence,
        "src_vid": found.tokens.clips,
    }
    heads = {"": found.last, "aux0_": found.layers[0], "aux1_": found.layers[1]}
    order = same_queries(found.encoder.span, arrays["out/enc_pred_spans"])
    for prefix, head in {**heads, "enc_": found.encoder}.items():
        pairs[f"{prefix}pred_logits"] = head.label.gather(1, order)
        pairs[f"{prefix}pred_spans"] = head.span.gather(1, order[..., None].expand(-1, -1, 2))
        pairs[f"{prefix}pred_quality_scores"] = head.quality.gather(1, order)
    for name, mine in pairs.items():
        expected = arrays[f"out/{name}"]
        mine = mine.numpy().reshape(expected.shape)
        np.testing.assert_allclose(mine, expected, rtol=0, atol=2e-5, err_msg=name)


def test_collaborative_queries(trained):
    arrays, found = trained
    collab = found.collab
    assert collab.positive.shape[1] == int(arrays["collab/pad_size"])
    assert collab.used.all()
    np.testing.assert_array_equal(collab.positive, arrays["collab/labels"] > 0)
    np.testing.assert_allclose(collab.truth[collab.positive], arrays["collab/gt_spans"], atol=1e-6)
    np.testing.assert_allclose(collab.anchor, arrays["collab/anchors_cw"], atol=1e-6)
    np.testing.assert_allclose(collab.content, arrays["collab/query_content"], atol=5e-5)
    for i, layer in enumerate(collab.layers):
        np.testing.assert_allclose(layer.label, arrays["collab/out_cls"][i][..., 0], atol=2e-5)
        np.testing.assert_allclose(layer.span, arrays["collab/out_span"][i], atol=5e-6)
