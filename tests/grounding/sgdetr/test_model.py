"""The network's promises: the live variant's masks, gaps, short windows; refusals; training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.loss_settings import LossSettings
from grounding.sgdetr.losses import SGDETRLoss
from grounding.sgdetr.model import SGDETR, SILENT
from grounding.sgdetr.predictions import Predictions, Targets, official_source
from tests.grounding.sgdetr.networks import (
    in_order,
    random_inputs,
    small,
    with_recipe,
    without_dropout,
)

LIVE = small(SGDETRConfig.live())
OFFICIAL = small(SGDETRConfig.qvhighlights())


@pytest.fixture(scope="module")
def live() -> SGDETR:
    return with_recipe(LIVE)


def forward(model: SGDETR, inputs) -> Predictions:
    with torch.no_grad():
        return model(*inputs)


def near(mine, expected, atol=2e-5):
    np.testing.assert_allclose(mine, expected, rtol=0, atol=atol)


def by_level(found: Predictions, values):
    """ATSS values [B, P, ...] per level."""
    return values.split(list(found.atss.level_lengths), dim=1)


@settings(max_examples=10)
@given(st.integers(0, 39), st.integers(0, 5), st.integers(1, 9))
def test_local_saliency_depends_on_clip_and_query_alone(place, seed, others):
    model = with_recipe(LIVE)
    video, mask, text, text_mask = random_inputs(LIVE, 1, 40, 6, seed)
    whole = forward(model, (video, mask, text, text_mask)).local_saliency[0, place]
    alone = torch.zeros(1, 8, LIVE.video_dims)
    alone[0, others % 8] = video[0, place]
    only = torch.zeros(1, 8)
    only[0, others % 8] = 1
    found = forward(model, (alone, only, text, text_mask)).local_saliency[0, others % 8]
    near(found, whole)


def test_text_padding_does_not_show(live):
    video, mask, text, text_mask = random_inputs(LIVE, 2, 16, 7)
    text_mask[1, 4:] = 0
    wide = forward(live, (video, mask, text, text_mask))
    narrow = forward(live, (video[1:], mask[1:], text[1:, :4], text_mask[1:, :4]))
    near(wide.global_saliency[1:], narrow.global_saliency)
    near(wide.last.span[1:], narrow.last.span)


@pytest.mark.parametrize("valid", [1, 2, 5, 8, 13, 16])
def test_padding_does_not_show_in_the_live_variant(live, valid):
    """More masked rows at the right change nothing, whatever they hold."""
    video, mask, text, text_mask = random_inputs(LIVE, 1, 16, 5, seed=valid)
    mask[:, valid:] = 0
    short = forward(live, (video, mask, text, text_mask))
    longer = torch.cat([video, torch.full((1, 24, LIVE.video_dims), 3.0)], dim=1)
    longer[:, valid:16] = -7.0
    padded = forward(live, (longer, torch.cat([mask, torch.zeros(1, 24)], dim=1), text, text_mask))
    near(padded.lengths, short.lengths)
    near(padded.local_saliency[:, :valid], short.local_saliency[:, :valid])
    near(padded.global_saliency[:, :valid], short.global_saliency[:, :valid])
    seen = short.last.label > SILENT
    assert torch.equal(padded.last.label > SILENT, seen)
    near(padded.last.span[seen], short.last.span[seen])
    near(padded.last.label, short.last.label)
    for name in ("label", "box", "centerness"):
        wide = by_level(padded, getattr(padded.atss, name))
        narrow = by_level(short, getattr(short.atss, name))
        kept = by_level(short, short.atss.valid)
        for mine, theirs, valid_rows in zip(wide, narrow, kept, strict=True):
            near(mine[:, : theirs.shape[1]][valid_rows], theirs[valid_rows])


def test_a_gap_hides_its_content_and_keeps_the_clock(live):
    video, mask, text, text_mask = random_inputs(LIVE, 1, 24, 5)
    mask[:, 8:12] = 0
    first = forward(live, (video, mask, text, text_mask))
    other = video.clone()
    other[:, 8:12] = 100.0
    second = forward(live, (other, mask, text, text_mask))
    outside = mask.bool()
    near(first.global_saliency[outside], second.global_saliency[outside])
    near(first.last.span, second.last.span)
    near(first.atss.label, second.atss.label)
    assert first.lengths.item() == 24
    position = live.clip_positions(mask, first.lengths)
    unbroken = live.clip_positions(torch.ones(1, 24), first.lengths)
    near(position, unbroken, atol=0)


def test_official_positions_count_valid_rows_only():
    model = with_recipe(OFFICIAL)
    mask = torch.ones(1, 12)
    mask[:, 4:6] = 0
    position = model.clip_positions(mask, torch.tensor([10.0]))
    unbroken = model.clip_positions(torch.ones(1, 10), torch.tensor([10.0]))
    near(position[:, 6:], unbroken[:, 4:], atol=0)


def test_queries_beyond_the_valid_positions_are_silent(live):
    video, mask, text, text_mask = random_inputs(LIVE, 1, 8, 4)
    mask[:, 1:] = 0
    found = forward(live, (video, mask, text, text_mask))
    silent = found.last.label == SILENT
    assert 0 < (~silent).sum() < 25
    assert (found.encoder.label[silent] == SILENT).all()
    assert (found.encoder.span[silent] == 1.0).all()
    assert (found.atss.label[~found.atss.valid] == SILENT).all()
    assert torch.isfinite(found.last.span).all()


def test_a_window_without_any_clip_or_word_stays_finite(live):
    video, mask, text, text_mask = random_inputs(LIVE, 2, 8, 4)
    found = forward(live, (video, mask * 0, text, text_mask * 0))
    for tensor in (found.global_saliency, found.last.span, found.last.label, found.atss.box):
        assert torch.isfinite(tensor).all()
    assert (found.last.label == SILENT).all()


def test_official_short_sample_in_a_padded_batch_has_queries_at_one():
    model = with_recipe(OFFICIAL)
    video, mask, text, text_mask = random_inputs(OFFICIAL, 2, 16, 4)
    mask[1, 4:] = 0
    found = forward(model, (video, mask, text, text_mask))
    at_one = (found.encoder.span[1] == 1.0).all(dim=-1)
    assert at_one.sum() >= 10
    assert not (found.encoder.span[0] == 1.0).any()


def test_official_saliency_ignores_batch_padding():
    """Saliency and memory do not see the padding; the pyramid does (specification 11.5)."""
    model = with_recipe(OFFICIAL)
    video, mask, text, text_mask = random_inputs(OFFICIAL, 1, 12, 4)
    alone = forward(model, (video, mask, text, text_mask))
    longer = torch.cat([video, torch.zeros(1, 12, OFFICIAL.video_dims)], dim=1)
    wide = torch.cat([mask, torch.zeros(1, 12)], dim=1)
    padded = forward(model, (longer, wide, text, text_mask))
    near(padded.global_saliency[:, :12], alone.global_saliency)
    near(padded.local_saliency[:, :12], alone.local_saliency)
    tail = by_level(padded, padded.atss.label)[1][:, :12] - by_level(alone, alone.atss.label)[1]
    assert tail.abs().max() > 1e-3


def test_learned_anchors_replace_the_selector():
    model = SGDETR(small(SGDETRConfig.tvsum())).eval()
    assert not any(key.startswith("query_selector.") for key in model.state_dict())
    found = forward(model, random_inputs(small(SGDETRConfig.tvsum()), 2, 8, 3))
    assert found.encoder is None
    assert found.last.span.shape == (2, 25, 2)


@pytest.mark.parametrize(
    ("clips", "video", "text", "word"),
    [(4, 26, 20, "8"), (10, 26, 20, "multiple of 4"), (8, 9, 20, "video"), (8, 26, 3, "text")],
)
def test_refuses_shapes_it_cannot_take(clips, video, text, word):
    model = SGDETR(OFFICIAL)
    with pytest.raises(ValueError, match=word):
        model(torch.zeros(1, clips, video), torch.ones(1, clips), torch.zeros(1, 2, text), None)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (SGDETRConfig.qvhighlights(), 13_472_294),
        (SGDETRConfig.charades(), 13_472_294),
        (SGDETRConfig.tacos(), 12_879_909),
        (SGDETRConfig.tvsum(), 13_279_828),
        (SGDETRConfig.youtube(), 13_279_828),
    ],
)
def test_parameter_counts(config, parameters):
    with torch.device("meta"):
        model = SGDETR(replace(config))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def targets_for(config: SGDETRConfig, clips: int, spans, sources=None) -> Targets:
    batch = len(spans)
    saliency = torch.zeros(batch, clips)
    for row, windows in enumerate(spans):
        if len(windows):
            saliency[row, 2:5] = 6.0
    return Targets(
        spans=tuple(torch.tensor(windows).reshape(-1, 2) for windows in spans),
        durations=torch.full((batch,), clips * config.clip_seconds),
        saliency=saliency,
        positive_clips=torch.full((batch, 2), 3),
        negative_clips=torch.full((batch, 2), 7),
        sources=sources or [f"source{row}" for row in range(batch)],
    )


SPANS = [[[0.2, 0.2]], [[0.5, 0.3], [0.8, 0.1]], []]


@pytest.mark.parametrize("config", [LIVE, OFFICIAL], ids=["live", "official"])
def test_regular_queries_do_not_see_the_collaborative_ones(config):
    model = with_recipe(without_dropout(config)).train()
    inputs = random_inputs(config, 3, 16, 5)
    with torch.no_grad():
        trained = model(*inputs, targets_for(config, 16, SPANS), in_order)
        plain = model(*inputs)
    near(trained.last.span, plain.last.span)
    near(trained.last.label, plain.last.label)
    assert trained.collab.positive.sum(dim=1).max() == trained.collab.positive.shape[1]
    assert not trained.collab.positive[2].any()
    assert trained.assignment.positive.sum() == trained.collab.positive.sum()


@pytest.mark.parametrize("spans", [SPANS, [[], [], []]], ids=["one absent", "all absent"])
def test_a_step_of_training_moves_every_trained_weight(spans):
    torch.manual_seed(0)
    model = SGDETR(LIVE).train()
    targets = targets_for(LIVE, 16, spans)
    video, mask, text, text_mask = random_inputs(LIVE, 3, 16, 5)
    mask[1, 12:] = 0
    found = model(video, mask, text, text_mask, targets)
    total = SGDETRLoss(LossSettings.live())(found, targets).total
    total.backward()
    assert torch.isfinite(total)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name
    assert (found.collab is None) == (spans is not SPANS)
    assert model.input_vid_proj.linear_mapper[0].mapper[2].weight.grad.abs().sum() > 0


def test_negative_pairs_skip_videos_of_one_source():
    model = with_recipe(without_dropout(OFFICIAL)).train()
    inputs = random_inputs(OFFICIAL, 3, 8, 4)
    with torch.no_grad():
        some = model(*inputs, targets_for(OFFICIAL, 8, SPANS, ["a", "a", "b"]), in_order)
        none = model(*inputs, targets_for(OFFICIAL, 8, SPANS, ["a", "a", "a"]), in_order)
    assert some.negative.kept.tolist() == [False, True, True]
    assert some.negative.local_saliency.shape == (2, 8)
    assert none.negative is None


def test_negative_pairs_score_as_a_pair_scores_live():
    """Live, a negative's local saliency is that of the same clip and text as any pair's."""
    model = with_recipe(without_dropout(LIVE)).train()
    video, mask, text, text_mask = random_inputs(LIVE, 2, 8, 4)
    with torch.no_grad():
        found = model(video, mask, text, text_mask, targets_for(LIVE, 8, SPANS[:2]), in_order)
        crossed = model(video, mask, text.flip(0), text_mask.flip(0))
    near(found.negative.local_saliency, crossed.local_saliency)
    near(found.negative.global_saliency, crossed.global_saliency)


def test_first_values():
    torch.manual_seed(0)
    config = replace(LIVE, prior=0.2, saliency_bias=-2.5)
    model = SGDETR(config).eval()
    found = forward(model, random_inputs(config, 1, 16, 4))
    prior = np.log(0.2 / 0.8)
    near(found.global_saliency, found.local_saliency, atol=0)
    assert model.local_saliency_head.a_param.item() == -2.5
    near(model.main_det_head.class_embed.bias.detach(), [prior])
    near(model.query_selector.enc_out_iou_embed.bias.detach(), [2 * prior])
    near(found.last.span, found.last.reference)
    assert 0 < found.atss.label.sub(prior).abs().max() < 0.5
    assert model.main_det_head.decoder.layers[0].ffn.mapping[1].weight.item() == 0.25


def test_names_of_sources():
    assert official_source("v_x_1.0_2.0") == "v_x"
    assert official_source("video_001") == official_source("video_002")
