"""Span maths: round trips, bounds and agreement with a plain loop."""

import doctest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.sgdetr import losses, predictions, recipes, spans
from grounding.sgdetr.spans import (
    cw_to_se,
    paired_giou,
    paired_iou,
    pairwise_giou,
    pairwise_iou,
    se_to_cw,
)

edge = st.floats(0, 1, width=32)
ends = st.lists(st.tuples(edge, edge).map(sorted), min_size=1, max_size=8)


def as_tensor(rows):
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("module", [spans, losses, predictions, recipes])
def test_examples_in_docstrings_hold(module):
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0


@given(ends)
@settings(deadline=None)
def test_round_trip(rows):
    here = as_tensor(rows)
    torch.testing.assert_close(cw_to_se(se_to_cw(here)), here, rtol=0, atol=1e-12)


@given(ends, ends)
@settings(deadline=None)
def test_pairwise_agrees_with_a_loop(first, second):
    a, b = as_tensor(first), as_tensor(second)
    iou, giou = pairwise_iou(a, b), pairwise_giou(a, b)
    for i, left in enumerate(first):
        for j, right in enumerate(second):
            inner = max(0.0, min(left[1], right[1]) - max(left[0], right[0]))
            union = (left[1] - left[0]) + (right[1] - right[0]) - inner
            hull = max(left[1], right[1]) - min(left[0], right[0])
            expected = inner / union if union else 0.0
            assert iou[i, j].item() == pytest.approx(expected, abs=1e-9)
            gap = (hull - union) / hull if hull else 0.0
            assert giou[i, j].item() == pytest.approx(expected - gap, abs=1e-9)


@given(ends, ends)
@settings(deadline=None)
def test_bounds_and_symmetry(first, second):
    a, b = as_tensor(first), as_tensor(second)
    iou, giou = pairwise_iou(a, b), pairwise_giou(a, b)
    assert ((iou >= 0) & (iou <= 1 + 1e-12)).all()
    assert ((giou >= -1) & (giou <= iou + 1e-12)).all()
    torch.testing.assert_close(giou, pairwise_giou(b, a).T)


@given(ends)
@settings(deadline=None)
def test_a_span_overlaps_itself_fully(rows):
    here = as_tensor([row for row in rows if row[1] > row[0]] or [[0.0, 1.0]])
    torch.testing.assert_close(paired_iou(here, here)[0], torch.ones(len(here)).double())
    torch.testing.assert_close(paired_giou(here, here), torch.ones(len(here)).double())


def test_two_empty_spans_have_no_overlap_and_finite_gradients():
    empty = torch.zeros(1, 2, requires_grad=True)
    giou = paired_giou(empty, torch.zeros(1, 2))
    giou.sum().backward()
    assert giou.item() == 0.0
    assert torch.isfinite(empty.grad).all()
