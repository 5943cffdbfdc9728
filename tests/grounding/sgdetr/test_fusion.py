"""Weighted box fusion: the official figures to the bit, a plain version, and its properties."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grounding.sgdetr.fusion import FusionSettings, fuse
from grounding.sgdetr.postprocess import PostprocessSettings, finish
from tests.grounding.sgdetr import loss_golden as golden

PRESETS = {
    "qvh": PostprocessSettings.qvhighlights(),
    "charades": PostprocessSettings.charades(),
    "tacos": PostprocessSettings.tacos(),
}
FLOAT64_TOLERANCE = {"qvh": 3.2e-5, "charades": 3.2e-5, "tacos": 2.2e-4}  # seconds
TIE = 1e-9
UNIT = FusionSettings((1.0, 2.5), iou=0.8, skip=0.1, float32=False)

edge = st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.3, 0.5, 0.52, 0.75, 0.8, 1.0])
box = st.tuples(edge, edge, st.sampled_from([0.05, 0.1, 0.2, 0.4, 0.4, 0.9]))
boxes = st.lists(box.map(lambda b: (min(b[:2]), max(b[:2]), b[2])), max_size=8)


def rows(found):
    return np.array(found, dtype=np.float64).reshape(-1, 3)


def plain_fusion(lists, options):
    """Fusion by loops over lists, in double precision, without any bookkeeping."""
    entries = []
    for found, weight in zip(lists, options.weights, strict=True):
        entries += [
            (score * weight, start, end)
            for start, end, score in found
            if score >= options.skip and end > start
        ]
    entries.sort(key=lambda e: (-e[0], e[1], e[2]))
    clusters = []
    for entry in entries:
        overlaps = [(iou(mean_box(cluster), entry[1:]), cluster) for cluster in clusters]
        near = sorted([(options.iou, []), *overlaps], key=lambda o: -o[0])[:2]
        # At a tie the last bit of the arithmetic decides, and no twin can foretell it
        assume(len(near) < 2 or near[0][0] - near[1][0] > TIE)
        if near[0][0] > options.iou:
            near[0][1].append(entry)
        else:
            clusters.append([entry])
    fused = [
        (*mean_box(c), np.mean([e[0] for e in c]) * min(2, len(c)) / sum(options.weights))
        for c in clusters
    ]
    return in_order(rows(fused))


def in_order(fused):
    """Best first; equal scores, however their last bits fell, by start and end."""
    return fused[np.lexsort((fused[:, 1], fused[:, 0].round(9), -fused[:, 2].round(9)))]


def iou(first, second):
    inner = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    return inner / ((first[1] - first[0]) + (second[1] - second[0]) - inner)


def mean_box(cluster):
    total = sum(score for score, _, _ in cluster)
    return tuple(sum(e[0] * e[i] for e in cluster) / total for i in (1, 2))


@pytest.fixture(scope="module")
def arrays():
    if not (golden.GOLDEN / "fusion.npz").exists():
        pytest.skip("golden figures are not here")
    return golden.load("fusion.npz")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("case", range(12))
def test_equals_the_official_fusion(arrays, preset, case):
    options = PRESETS[preset]
    detr, aux = arrays[f"{preset}/{case}/detr"], arrays[f"{preset}/{case}/aux"]
    expected = arrays[f"{preset}/{case}/comb"]
    lists = [np.column_stack([detr[:, :2], np.sqrt(detr[:, 2] * detr[:, 3])]), aux]
    seconds = options.fusion.max_seconds
    fused = fuse(lists, options.fusion, seconds)
    np.testing.assert_array_equal(fused, expected)
    finished = finish(fused, options.finish)
    np.testing.assert_allclose(finished, arrays[f"{preset}/{case}/comb_post"], atol=1e-9)
    double = fuse(lists, replace(options.fusion, float32=False), seconds)
    assert double.shape == expected.shape
    np.testing.assert_allclose(double, expected, rtol=0, atol=FLOAT64_TOLERANCE[preset])


def test_the_worked_example():
    """Specification 2.13: two boxes merge, two stay alone."""
    detr = rows([(0.10, 0.30, 0.9), (0.50, 0.80, 0.4)])
    atss = rows([(0.11, 0.31, 0.8), (0.90, 1.0, 0.3)])
    expected = [[0.10690, 0.30690, 0.82857], [0.90, 1.0, 0.21429], [0.50, 0.80, 0.11429]]
    np.testing.assert_allclose(fuse([detr, atss], UNIT, 1.0), expected, atol=1e-5)


@given(boxes, boxes)
@settings(deadline=None)
def test_equals_the_plain_fusion(first, second):
    expected = plain_fusion([first, second], UNIT)
    found = fuse([rows(first), rows(second)], UNIT, 1.0)
    assert found.shape == expected.shape
    np.testing.assert_allclose(in_order(found), expected, atol=1e-9)


@given(boxes, boxes, st.randoms())
@settings(deadline=None)
def test_order_of_the_input_does_not_matter(first, second, random):
    before = fuse([rows(first), rows(second)], UNIT, 1.0)
    random.shuffle(first)
    random.shuffle(second)
    np.testing.assert_array_equal(fuse([rows(first), rows(second)], UNIT, 1.0), before)


@given(boxes, boxes)
@settings(deadline=None)
def test_windows_lie_inside_the_hull_and_scores_inside_their_range(first, second):
    fused = fuse([rows(first), rows(second)], UNIT, 1.0)
    everything = rows(first + second)
    if not len(fused):
        return
    assert fused[:, 0].min() >= everything[:, 0].min() - 1e-9
    assert fused[:, 1].max() <= everything[:, 1].max() + 1e-9
    assert (fused[:, 1] > fused[:, 0]).all()
    assert (np.diff(fused[:, 2]) <= 0).all()
    assert fused[:, 2].max() <= everything[:, 2].max() * 2 * 2.5 / 3.5 + 1e-9


@given(boxes)
@settings(deadline=None)
def test_a_box_seen_by_both_heads_beats_the_same_box_seen_by_one(found):
    kept = rows([b for b in found if b[2] >= 0.1 and b[1] > b[0]][:1])
    if not len(kept):
        return
    none = np.zeros((0, 3))
    both = fuse([kept, kept], UNIT, 1.0)[0, 2]
    assert both > fuse([kept, none], UNIT, 1.0)[0, 2]
    assert both > fuse([none, kept], UNIT, 1.0)[0, 2]


def test_nothing_above_skip_is_an_empty_list():
    weak = rows([(0.1, 0.2, 0.05)])
    assert fuse([weak, weak], UNIT, 1.0).shape == (0, 3)
    assert fuse([np.zeros((0, 3)), np.zeros((0, 3))], UNIT, 1.0).shape == (0, 3)


def test_no_box_of_one_head_leaves_the_others():
    detr = rows([(0.1, 0.4, 0.7)])
    fused = fuse([detr, np.zeros((0, 3))], UNIT, 1.0)
    np.testing.assert_allclose(fused, [[0.1, 0.4, 0.7 / 3.5]])


def test_empty_boxes_fall_out_and_long_ones_are_cut():
    detr = rows([(5.0, 5.0, 0.9), (100.0, 300.0, 0.9), (200.0, 300.0, 0.9)])
    fused = fuse([detr, np.zeros((0, 3))], UNIT, 152.0)
    np.testing.assert_allclose(fused, [[100.0, 152.0, 0.9 / 3.5]])
