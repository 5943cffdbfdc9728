"""Matching: optimal by brute force, batched as single, and at home with empty samples."""

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.sgdetr.loss_settings import MatchCosts
from grounding.sgdetr.matcher import match, match_cost, stack_spans

QUERIES = 5


def batch(seed, counts, layers=2):
    make = torch.Generator().manual_seed(seed)
    shape = (layers, len(counts), QUERIES)
    label, quality = torch.randn(shape, generator=make), torch.randn(shape, generator=make)
    span = torch.rand(*shape, 2, generator=make)
    spans = [torch.rand(count, 2, generator=make) for count in counts]
    return label, quality, span, spans


@given(st.integers(0, 10_000), st.lists(st.integers(0, 3), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_no_other_assignment_is_cheaper(seed, counts):
    label, quality, span, spans = batch(seed, counts)
    pairs = match(label, quality, span, spans, MatchCosts())
    cost = match_cost(label, quality, span, stack_spans(spans), MatchCosts())
    for layer in range(2):
        for b, count in enumerate(counts):
            own = (pairs.layer == layer) & (pairs.sample == b)
            paid = cost[layer, b, pairs.query[own], pairs.window[own]].sum().item()
            cheapest = min(
                sum(cost[layer, b, q, w].item() for w, q in enumerate(chosen))
                for chosen in permutations(range(QUERIES), count)
            )
            assert own.sum() == count
            assert paid == pytest.approx(cheapest, abs=1e-4)


def test_batched_equals_single():
    label, quality, span, spans = batch(3, [2, 0, 3], layers=3)
    together = match(label, quality, span, spans, MatchCosts())
    for b in range(3):
        part = slice(b, b + 1)
        alone = match(label[:, part], quality[:, part], span[:, part], spans[part], MatchCosts())
        own = together.sample == b
        assert together.query[own].tolist() == alone.query.tolist()
        assert together.window[own].tolist() == alone.window.tolist()


def test_truth_rows_belong_to_their_windows():
    label, quality, span, spans = batch(1, [2, 1])
    pairs = match(label, quality, span, spans, MatchCosts())
    for i in range(len(pairs.query)):
        expected = spans[int(pairs.sample[i])][int(pairs.window[i])]
        assert torch.equal(pairs.truth[i], expected)


def test_a_batch_without_windows_has_no_pairs():
    label, quality, span, spans = batch(1, [0, 0])
    pairs = match(label, quality, span, spans, MatchCosts())
    assert len(pairs.query) == 0
    assert pairs.truth.shape == (0, 2)


def test_a_diverged_network_is_named():
    label, quality, span, spans = batch(1, [1])
    with pytest.raises(ValueError, match="not finite"):
        match(label * float("nan"), quality, span, spans, MatchCosts())


def test_windows_are_padded_with_zeros():
    stacked = stack_spans([torch.ones(2, 2), torch.ones(0, 2)])
    assert stacked.shape == (2, 2, 2)
    assert stacked[1].abs().sum() == 0
    assert stack_spans([torch.ones(0, 2)]).shape == (1, 1, 2)
