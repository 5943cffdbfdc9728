"""Suppression in one dimension: its invariants, and a plain loop."""

import doctest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.sgdetr import nms
from grounding.sgdetr.nms import suppress

span = st.tuples(st.floats(0, 100, width=32), st.floats(0, 100, width=32)).map(sorted)
cases = st.lists(st.tuples(span, st.sampled_from([0.1, 0.2, 0.5, 0.9])), max_size=12)
levels = st.floats(0.1, 0.9)


def arrays(case):
    spans = np.array([row for row, _ in case], dtype=np.float64).reshape(-1, 2)
    return spans, np.array([score for _, score in case], dtype=np.float64)


def overlap(a, b):
    inner = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - inner
    return inner, union


def plain(spans, scores, iou):
    """Greedy suppression as torchvision does it: stable order, IoU above the limit goes."""
    left = list(np.argsort(-scores, kind="stable"))
    kept = []
    while left:
        first = left.pop(0)
        kept.append(int(first))
        pairs = [(i, overlap(spans[i], spans[first])) for i in left]
        left = [i for i, (inner, union) in pairs if inner <= iou * union]
    return kept


@given(cases, levels)
@settings(deadline=None)
def test_equals_the_plain_loop(case, iou):
    spans, scores = arrays(case)
    assert suppress(spans, scores, iou).tolist() == plain(spans, scores, iou)


@given(cases, levels)
@settings(deadline=None)
def test_survivors_do_not_overlap_and_the_rest_overlaps_a_better_one(case, iou):
    spans, scores = arrays(case)
    kept = suppress(spans, scores, iou).tolist()
    for i in range(len(spans)):
        pairs = [(j, overlap(spans[i], spans[j])) for j in kept if j != i]
        over = [scores[j] for j, (inner, union) in pairs if inner > iou * union]
        if i in kept:
            assert not over
        else:
            assert max(over) >= scores[i]


@given(cases, levels)
@settings(deadline=None)
def test_suppressing_twice_changes_nothing(case, iou):
    spans, scores = arrays(case)
    kept = suppress(spans, scores, iou)
    again = suppress(spans[kept], scores[kept], iou)
    assert again.tolist() == list(range(len(kept)))


@given(cases, levels, st.integers(1, 5))
@settings(deadline=None)
def test_a_limit_keeps_the_best_and_their_ties(case, iou, limit):
    spans, scores = arrays(case)
    everything = suppress(spans, scores, iou).tolist()
    limited = suppress(spans, scores, iou, limit).tolist()
    assert limited == everything[: len(limited)]
    assert len(limited) >= min(limit, len(everything))
    if len(limited) > limit:
        assert scores[limited[-1]] == scores[limited[limit - 1]]
    if len(limited) < len(everything):
        assert scores[everything[len(limited)]] < scores[limited[-1]]


def test_empty_spans_do_not_suppress_one_another():
    spans = np.array([[3.0, 3.0], [3.0, 3.0]])
    assert suppress(spans, np.array([0.5, 0.4]), 0.5).tolist() == [0, 1]


def test_nothing_in_nothing_out():
    assert suppress(np.zeros((0, 2)), np.zeros(0), 0.5, 10).shape == (0,)


def test_examples_in_docstrings_hold():
    assert doctest.testmod(nms).failed == 0
