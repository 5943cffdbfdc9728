"""Anchors, box coder and assignment against a plain re-telling of ATSS."""

import doctest

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.sgdetr import anchors as numpy_anchors
from grounding.sgdetr.anchors import decode_boxes, level_lengths
from grounding.sgdetr.atss import (
    AtssSettings,
    assign,
    decode,
    encode,
    level_anchors,
    truth_units,
)

PYRAMID = [48, 24, 12, 6]  # 24 clips
TIE = 1e-9
windows = st.lists(
    st.tuples(st.floats(0, 22), st.floats(0.5, 20)).map(lambda w: [w[0], min(24.0, w[0] + w[1])]),
    max_size=4,
)


def iou(a, b):
    inner = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inner / ((a[1] - a[0]) + (b[1] - b[0]) - inner)


def plain_assignment(levels, truths, top_k, valid):
    """ATSS by loops: of every anchor (IoU, its margin over the threshold, number of the window)."""
    flat = [anchor for level in levels for anchor in level.tolist()]
    claims = [[] for _ in flat]
    for number, window in enumerate(truths):
        middle = sum(window) / 2
        candidates, offset = [], 0
        for level in levels:
            ids = [i for i in range(offset, offset + len(level)) if valid[i]]
            ids.sort(key=lambda i: abs(sum(flat[i]) / 2 - middle))
            candidates += ids[:top_k]
            offset += len(level)
        ious = [iou(flat[i], window) for i in candidates]
        threshold = np.mean(ious) + np.std(ious, ddof=1)
        for i, overlap in zip(candidates, ious, strict=True):
            centre = sum(flat[i]) / 2
            inside = min(centre - window[0], window[1] - centre) > 1e-7
            if inside:
                claims[i].append((overlap, overlap - threshold, number))
    return claims


def test_first_anchors_are_the_official_ones():
    first = [level[0].tolist() for level in level_anchors(level_lengths(76))]
    assert first == [[-1.25, 1.75], [-7, 8], [-14.5, 16.5], [-29.5, 33.5]]
    assert all(level.dtype == torch.float64 for level in level_anchors(PYRAMID))


def test_examples_in_docstrings_hold():
    assert doctest.testmod(numpy_anchors).failed == 0


@pytest.mark.parametrize("clips", [0, 2, 7, 75])
def test_a_window_that_is_not_a_multiple_of_four_is_refused(clips):
    with pytest.raises(ValueError, match="multiple of 4"):
        level_lengths(clips)


@given(windows.filter(len))
@settings(deadline=None)
def test_encode_and_decode_are_inverse(rows):
    boxes = torch.tensor(rows, dtype=torch.float64)
    anchors = torch.cat(level_anchors(PYRAMID))[: len(boxes)]
    torch.testing.assert_close(decode(anchors, encode(anchors, boxes)), boxes)


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=90, max_size=90))
@settings(max_examples=20, deadline=None)
def test_numpy_decoding_equals_torchs(deltas):
    anchors = torch.cat(level_anchors(PYRAMID))
    raw = torch.tensor(deltas, dtype=torch.float64)
    np.testing.assert_allclose(decode_boxes(anchors.numpy(), raw.numpy()), decode(anchors, raw))


def test_width_growth_is_capped():
    anchors = torch.tensor([[0.0, 15.0]])
    box = decode(anchors, torch.tensor([[0.0, 1e6]]))[0]
    assert box[1] - box[0] + 1 == pytest.approx(1000.0)


@given(st.lists(windows, min_size=1, max_size=3), st.integers(2, 12), st.integers(6, 24))
@settings(max_examples=60, deadline=None)
def test_assignment_equals_the_plain_one(truths, top_k, clips):
    levels = level_anchors(PYRAMID)
    seen = torch.arange(24) < clips
    valid = torch.cat(
        [seen.repeat_interleave(2), seen, *(seen.reshape(-1, n).any(1) for n in (2, 4))]
    )
    tensors = [torch.tensor(rows, dtype=torch.float64).reshape(-1, 2) for rows in truths]
    found = assign(levels, tensors, top_k, valid.expand(len(truths), -1))
    for b, rows in enumerate(truths):
        claims = plain_assignment(levels, rows, top_k, valid.tolist())
        for position, claimed in enumerate(claims):
            # Within TIE of the threshold, or of each other, the last bit of the sums decides
            sure = [claim for claim in claimed if claim[1] > TIE]
            possible = [claim for claim in claimed if claim[1] >= -TIE]
            if found.positive[b, position]:
                least = max([iou for iou, _, _ in sure], default=0.0) - TIE
                owners = [rows[number] for iou, _, number in possible if iou >= least]
                assert found.boxes[b, position].tolist() in owners
            else:
                assert not sure
    assert not found.positive[~valid.expand(len(truths), -1)].any()


@given(windows.filter(len))
@settings(deadline=None)
def test_centerness_is_the_ratio_of_distances(rows):
    levels = level_anchors(PYRAMID)
    found = assign(levels, [torch.tensor(rows, dtype=torch.float64)], 12)
    centre = torch.cat(levels).mean(dim=1)
    left = (centre - found.boxes[0, :, 0])[found.positive[0]]
    right = (found.boxes[0, :, 1] - centre)[found.positive[0]]
    expected = torch.minimum(left, right) / torch.maximum(left, right)
    torch.testing.assert_close(found.centerness[found.positive], expected)
    assert (found.centerness[~found.positive] == 0).all()


def test_samples_without_windows_have_no_positives():
    found = assign(level_anchors(PYRAMID), [torch.zeros(0, 2), torch.zeros(0, 2)], 12)
    assert not found.positive.any()
    assert torch.isfinite(found.boxes).all()
    assert torch.isfinite(found.centerness).all()


def test_official_ground_truth_loses_a_second_ours_does_not():
    """[20, 22] of 80 s passes through float32 and comes back as 19..21 when it is cut."""
    span = torch.tensor([[20.0 / 80, 22.0 / 80]])
    cw = torch.stack([span.mean(dim=1), span[:, 1] - span[:, 0]], dim=1)
    official = truth_units(cw, 80.0, AtssSettings(truncate=True))
    ours = truth_units(cw, 80.0, AtssSettings())
    assert official.tolist() == [[9.5, 10.5]]
    torch.testing.assert_close(ours, torch.tensor([[10.0, 11.0]]))


def test_units_are_two_seconds_whatever_a_clip_lasts():
    span = torch.tensor([[0.5, 0.5]])
    assert truth_units(span, 40.0, AtssSettings()).tolist() == [[5.0, 15.0]]
    assert truth_units(span, 40.0, AtssSettings(unit_seconds=1.0)).tolist() == [[10.0, 30.0]]
