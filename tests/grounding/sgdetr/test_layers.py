"""The network's parts: layers, positions, pyramid, proposals, collaborative choice, fast forms."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from grounding.sgdetr.atss import Assignment
from grounding.sgdetr.atss_head import AtssHead, Tower, apart, together
from grounding.sgdetr.attention import PlainAttention, ProjectedAttention, key_bias
from grounding.sgdetr.collaborative import choose, collab_queries, draw_at_random, group_bias
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.fast import FlatNorm, LeakyFeedForward, WinogradConvolution, WinogradTower
from grounding.sgdetr.layers import DropPath, FeedForward, Perceptron, inverse_sigmoid
from grounding.sgdetr.position import ClipPositions, sample_lengths, sine, span_sine
from grounding.sgdetr.pyramid import FeaturePyramid, Separable, join_levels, level_masks
from grounding.sgdetr.saliency import unit_rows
from grounding.sgdetr.selector import WIDTHS, proposals
from tests.grounding.sgdetr.networks import in_order, small


def near(mine, expected, atol=1e-5):
    np.testing.assert_allclose(mine.detach(), expected.detach(), rtol=0, atol=atol)


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    layer = DropPath(0.25).train()
    out = layer(torch.ones(4000, 2, 3))
    rows = out.flatten(1)
    assert ((rows == 0).all(dim=1) | torch.isclose(rows, torch.tensor(4 / 3)).all(dim=1)).all()
    assert abs(out.mean().item() - 1.0) < 0.05
    assert torch.equal(layer.eval()(torch.ones(2, 3)), torch.ones(2, 3))


@given(st.floats(-1.0, 2.0))
def test_inverse_sigmoid_stays_within_its_edges(value):
    found = inverse_sigmoid(torch.tensor(value, dtype=torch.float64)).sigmoid().item()
    assert found == pytest.approx(min(max(value, 0.001), 0.999), abs=2e-6)


def test_perceptron_starts_at_zero_if_asked():
    layer = Perceptron(4, 8, 2, zero_last=True)
    layer.reset_last()
    assert not layer(torch.randn(3, 4)).any()


def test_plain_attention_is_softmax_attention_with_a_gated_row():
    torch.manual_seed(0)
    layer = PlainAttention(16, 4, 0.1).eval()
    query, key = torch.randn(2, 3, 16), torch.randn(2, 5, 16)
    mask = torch.tensor([[1.0, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    gate = torch.rand(2, 3)
    expected = torch.empty(2, 3, 16)
    for head in range(4):
        part = slice(4 * head, 4 * head + 4)
        logits = query[..., part] @ key[..., part].transpose(1, 2) / 2.0
        weights = logits.masked_fill(mask[:, None] == 0, -math.inf).softmax(-1)
        expected[..., part] = gate.unsqueeze(-1) * (weights @ key[..., part])
    near(layer(query, key, key, key_bias(mask), gate), layer.out_proj(expected))


def test_projected_attention_is_torchs():
    torch.manual_seed(0)
    ours = ProjectedAttention(16, 4, 0.0).eval()
    theirs = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    theirs.load_state_dict(ours.state_dict())
    x, position = torch.randn(2, 6, 16), torch.randn(2, 6, 16)
    mask = torch.ones(2, 6)
    mask[1, 4:] = 0
    both = x + position
    expected, _ = theirs(both, both, x, key_padding_mask=mask == 0)
    near(ours(x, position, key_bias(mask)), expected)


def test_attention_over_nothing_is_finite():
    layer = PlainAttention(16, 4, 0.0)
    out = layer(torch.randn(1, 2, 16), *[torch.randn(1, 3, 16)] * 2, key_bias(torch.zeros(1, 3)))
    assert torch.isfinite(out).all()


def test_sine_interleaves():
    row = sine(torch.tensor([0.7]), 4)[0]
    expected = [math.sin(0.7), math.cos(0.7), math.sin(0.7 / 100), math.cos(0.7 / 100)]
    near(row, torch.tensor(expected), atol=1e-6)
    pair = span_sine(torch.tensor([[0.25, 0.5]]), 8)
    near(pair[0, :4], sine(torch.tensor(math.pi / 2), 4), atol=1e-6)
    near(pair[0, 4:], sine(torch.tensor(math.pi), 4), atol=1e-6)


def test_lengths_count_rows_or_reach_to_the_last():
    mask = torch.tensor([[1.0, 0, 1, 1, 0], [0, 0, 0, 0, 0]])
    assert sample_lengths(mask, masked=False).tolist() == [3.0, 1.0]
    assert sample_lengths(mask, masked=True).tolist() == [4.0, 1.0]


def test_positions_end_at_a_full_turn():
    lengths = torch.tensor([4.0])
    for masked in (False, True):
        rows = ClipPositions(8, masked)(torch.ones(1, 4), lengths)
        near(rows[0, -1, 0], torch.tensor(math.sin(2 * math.pi)), atol=1e-5)
        near(rows[0, 1, 0], torch.tensor(math.sin(math.pi)), atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_separable_is_two_convolutions(stride):
    torch.manual_seed(0)
    layer = Separable(8, stride)
    x = torch.randn(2, 12, 8)
    wide = F.conv1d(x.transpose(1, 2), layer.depthwise.weight, None, stride, 1, groups=8)
    expected = F.conv1d(wide, layer.pointwise.weight).transpose(1, 2)
    near(layer(x), expected)


def test_level_masks_keep_a_coarse_row_if_any_clip_is_there():
    masks = level_masks(torch.tensor([[1.0, 0, 0, 0, 0, 0, 1, 1]]))
    assert [mask[0].int().tolist() for mask in masks] == [
        [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1],
        [1, 0, 0, 0, 0, 0, 1, 1],
        [1, 0, 0, 1],
        [1, 1],
    ]


@pytest.mark.parametrize("masked", [True, False])
def test_pyramid_leaks_only_where_it_is_not_masked(masked):
    torch.manual_seed(0)
    pyramid = FeaturePyramid(8, masked)
    memory = torch.randn(1, 16, 8)
    mask = torch.ones(1, 16)
    mask[:, 8:] = 0
    other = memory.clone()
    other[:, 8:] += 1.0
    with torch.no_grad():
        first, second = pyramid(memory, level_masks(mask)), pyramid(other, level_masks(mask))
    same = [
        torch.equal(a[:, : a.shape[1] // 2], b[:, : b.shape[1] // 2])
        for a, b in zip(first, second, strict=True)
    ]
    assert same == [masked] * 4
    assert [level.shape[1] for level in first] == [32, 16, 8, 4]


def test_proposals_of_a_window_of_76_clips():
    logit, valid = proposals(level_masks(torch.ones(1, 76)), None)
    assert logit.shape == (1, 285, 2)
    assert valid.sum() == 279  # specification 2.9
    span = logit.sigmoid()[0]
    assert torch.isinf(logit[~valid]).all()
    near(span[152][0], torch.tensor(1.0))  # level 1 begins at an edge: invalid
    near(span[153], torch.tensor([1.5 / 76, WIDTHS[1]]))
    near(span[-1], torch.tensor([18.5 / 19, WIDTHS[3]]))


def test_proposals_keep_the_clock_over_a_gap():
    mask = torch.ones(1, 16)
    mask[:, 4:8] = 0
    lengths = sample_lengths(mask, masked=True)
    logit, valid = proposals(level_masks(mask), lengths)
    whole, _ = proposals(level_masks(torch.ones(1, 16)), None)
    near(logit[valid], whole[valid], atol=0)
    assert not valid[0, 32 + 4 : 32 + 8].any()
    assert not valid[0, 8:16].any()


def assignment_of(positive) -> Assignment:
    positive = torch.tensor(positive)
    boxes = torch.zeros(*positive.shape, 2, dtype=torch.float64)
    boxes[positive] = torch.tensor([2.0, 6.0], dtype=torch.float64)
    return Assignment(positive, boxes, positive.double())


def test_positives_come_first_then_negatives_in_drawn_order():
    assignment = assignment_of(
        [[False, True, False, True, False], [False, False, True, False, False]]
    )
    keys = torch.tensor([[0.9, 0.1, 0.2, 0.3, 0.4], [0.8, 0.7, 0.0, 0.1, 0.2]])
    valid = torch.ones(2, 5, dtype=torch.bool)
    position, positive, used = choose(assignment, valid, keys)
    assert position.tolist() == [[1, 3], [2, 3]]
    assert positive.tolist() == [[True, True], [True, False]]
    assert used.all()


def test_invalid_positions_only_fill_up():
    assignment = assignment_of([[True, True, True], [False, False, False]])
    valid = torch.tensor([[True, True, True], [False, True, False]])
    position, positive, used = choose(assignment, valid, in_order(2, 3))
    assert position[1, 0] == 1
    assert used.tolist() == [[True, True, True], [True, False, False]]
    assert not positive[1].any()


def test_no_collaborative_queries_without_a_positive():
    assert choose(assignment_of([[False, False]]), torch.ones(1, 2).bool(), in_order(1, 2)) is None


def test_collaborative_units_are_fractions_of_the_sample():
    assignment = assignment_of([[True, False]])
    anchors = torch.tensor([[-1.0, 3.0], [1.0, 5.0]], dtype=torch.float64)
    lengths = torch.tensor([16.0])
    valid = torch.ones(1, 2, dtype=torch.bool)
    for config, scale in ((SGDETRConfig.live(), 1.0), (SGDETRConfig.charades(), 2.0)):
        found = collab_queries(assignment, anchors, valid, lengths, config, in_order)
        near(found.truth[0, 0], torch.tensor([4.0, 4.0]) / 16 * scale)
        near(found.anchor[0, 0], torch.tensor([1.0, 4.0]) / 16 * scale)


def test_groups_cannot_see_each_other():
    bias = group_bias(1, 2, torch.zeros(1))
    assert (bias < 0).tolist() == [
        [False, True, True],
        [True, False, False],
        [True, False, False],
    ]
    keys = draw_at_random(2, 7)
    assert keys.shape == (2, 7)
    assert ((keys >= 0) & (keys < 1)).all()


def test_levels_laid_apart_come_back():
    levels = tuple(torch.randn(2, length, 3) for length in (8, 4, 2, 1))
    rows = apart(levels)
    assert rows.shape == (2, 18, 3)
    assert not rows[:, [8, 13, 16]].any()
    for mine, expected in zip(together(rows, [8, 4, 2, 1]), levels, strict=True):
        assert torch.equal(mine, expected)
    assert join_levels(levels).shape == (2, 15, 3)


def test_atss_head_is_the_same_level_by_level():
    """Laid end to end with a zero row between, levels do not see each other."""
    torch.manual_seed(0)
    head = AtssHead(small(SGDETRConfig.live()))
    levels = tuple(torch.randn(2, length, 32) for length in (16, 8, 4, 2))
    label, box, _ = head(levels, None)
    start = 0
    for number, level in enumerate(levels):
        single = copy.deepcopy(head)
        single.regression_head.scales = head.regression_head.scales[number : number + 1]
        alone, alone_box, _ = single((level,), None)
        near(label[:, start : start + level.shape[1]], alone)
        near(box[:, start : start + level.shape[1]], alone_box)
        start += level.shape[1]


@given(st.integers(1, 20), st.integers(0, 1000))
def test_winograd_is_a_convolution(pairs, seed):
    torch.manual_seed(seed)
    plain = nn.Conv1d(6, 6, 3, padding=1, bias=False)
    rows = torch.randn(2, 2 * pairs, 6)
    near(WinogradConvolution(plain)(rows), plain(rows.transpose(1, 2)).transpose(1, 2))


@pytest.mark.parametrize("length", [33, 48])
def test_winograd_tower_is_the_tower(length):
    torch.manual_seed(0)
    tower = Tower(8, depth=3)
    rows, keep = torch.randn(2, length, 8), (torch.rand(2, length, 1) < 0.8).float()
    near(WinogradTower(tower)(rows, keep), tower(rows, keep))


def test_fast_blocks_are_the_plain_ones():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 8)
    block = FeedForward(8, 16, 0.1).eval()
    nn.init.constant_(block.mapping[1].weight, -0.3)
    near(LeakyFeedForward(block)(x), block(x), atol=1e-6)
    norm = nn.LayerNorm(8)
    near(FlatNorm(norm)(x), norm(x), atol=0)


def test_unit_rows_of_zero_are_zero():
    assert not unit_rows(torch.zeros(1, 3)).any()
    near(unit_rows(torch.tensor([3.0, 4.0])), torch.tensor([0.6, 0.8]))
