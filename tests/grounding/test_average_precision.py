import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.average_precision import (
    IOU_THRESHOLDS,
    average_precisions,
    cross_iou,
    highlight_precisions,
    top_ious,
)


def rows(*windows: tuple[float, ...]) -> np.ndarray:
    return np.array(windows, np.float64)


def precision(found: np.ndarray, truths: np.ndarray, threshold: float = 0.5) -> float:
    return float(average_precisions([found], [truths], [threshold])[0, 0])


def test_precision_falls_with_the_rank_of_the_right_window() -> None:
    right, wrong = (0.0, 10.0), (50.0, 60.0)
    assert precision(rows((*right, 0.9), (*wrong, 0.8)), rows(right)) == 1.0
    assert precision(rows((*wrong, 0.9), (*right, 0.8)), rows(right)) == 0.5


def test_rank_is_by_score_but_the_first_ten_are_by_list_order() -> None:
    listed = [(100.0 + k, 101.0 + k, 0.1) for k in range(10)]
    late = (0.0, 10.0, 0.9)
    assert precision(rows(*listed, late), rows((0.0, 10.0))) == 0.0
    assert precision(rows(*listed[:9], late), rows((0.0, 10.0))) == 1.0


def test_one_true_window_is_found_once() -> None:
    twice = rows((0.0, 10.0, 0.9), (0.0, 10.0, 0.8), (20.0, 30.0, 0.7))
    # recall 1/2 at rank 1, then 2/2 at rank 3 with precision 2/3
    assert precision(twice, rows((0.0, 10.0), (20.0, 30.0))) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_of_two_true_windows_the_better_is_taken() -> None:
    found = rows((0.0, 10.0, 0.9), (0.0, 7.0, 0.8))
    # the first takes (0, 10); had it taken (0, 6) the second would find nothing left at 0.7
    assert precision(found, rows((0.0, 6.0), (0.0, 10.0)), 0.6) == 1.0


def test_thresholds_are_inclusive() -> None:
    assert precision(rows((0.0, 11.0, 1.0)), rows((0.0, 20.0)), 0.55) == 1.0
    assert IOU_THRESHOLDS[1] == 0.55


def test_queries_of_different_sizes_stand_side_by_side() -> None:
    found = [rows((0.0, 4.0, 0.5)), np.zeros((0, 3)), rows((9.0, 10.0, 0.9), (0.0, 4.0, 0.5))]
    truths = [rows((0.0, 4.0)), rows((0.0, 4.0)), rows((0.0, 4.0), (6.0, 8.0))]
    together = average_precisions(found, truths, [0.5])[:, 0]
    np.testing.assert_allclose(together, [1.0, 0.0, 0.25])


def test_top_iou_is_of_the_first_window_with_the_window_it_overlaps_most() -> None:
    ious, which = top_ious([rows((0.0, 10.0, 0.1), (20.0, 30.0, 0.9))], [rows((5, 9), (0, 8))])
    assert ious.tolist() == [pytest.approx(0.8)]
    assert which.tolist() == [1]


def test_top_iou_is_zero_without_overlap_or_window() -> None:
    truths = [rows((20.0, 30.0))] * 2
    assert top_ious([rows((0.0, 10.0, 1.0)), np.zeros((0, 3))], truths)[0].tolist() == [0, 0]
    assert top_ious([np.zeros((0, 3))], truths[:1])[0].tolist() == [0]


def test_iou_of_an_empty_window_is_zero() -> None:
    assert cross_iou(rows((3.0, 3.0)), rows((3.0, 3.0), (0.0, 6.0))).tolist() == [[0.0, 0.0]]


def test_equal_scores_come_in_together() -> None:
    marks = np.array([[1.0], [0.0], [1.0]])
    # one step of recall only: both positives come in with all three clips
    assert highlight_precisions([np.zeros(3)], [marks])[0, 0] == pytest.approx(2 / 3)
    assert highlight_precisions([np.array([2.0, 1.0, 0.0])], [marks])[0, 0] == pytest.approx(
        (1 + 2 / 3) / 2
    )


def test_highlights_without_or_with_only_positives() -> None:
    scores = [np.array([3.0, 1.0, 2.0])]
    assert highlight_precisions(scores, [np.zeros((3, 1))])[0, 0] == 0.0
    assert highlight_precisions(scores, [np.ones((3, 1))])[0, 0] == 1.0


def test_clips_are_cut_or_filled_with_zero_to_the_marks() -> None:
    marks = np.array([[0.0], [1.0]])
    assert highlight_precisions([np.array([0.5, 0.7, 0.9])], [marks])[0, 0] == 1.0
    assert highlight_precisions([np.array([-1.0])], [marks])[0, 0] == 1.0
    assert highlight_precisions([np.array([1.0])], [marks])[0, 0] == 0.5


def slow_highlight_precision(scores: np.ndarray, marks: np.ndarray) -> float:
    """The official way, one threshold after another."""
    points = []
    for threshold in sorted(set(scores.tolist())):
        taken = scores >= threshold
        points.append((marks[taken].mean(), marks[taken].sum()))
    best, total = 0.0, []
    for (share, hits), (_, fewer) in zip(points, [*points[1:], (1.0, 0.0)], strict=True):
        best = max(best, share)
        if hits != fewer:
            total.append(best)
    return float(np.mean(total)) if total else 0.0


clip = st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), st.booleans())


@given(st.lists(st.lists(clip, min_size=1, max_size=12), min_size=1, max_size=4))
@settings(deadline=None)
def test_all_queries_at_once_are_each_query_alone(queries: list[list[tuple[float, bool]]]) -> None:
    scores = [np.array([score for score, _ in query]) for query in queries]
    marks = [np.array([[float(mark)] for _, mark in query]) for query in queries]
    expected = [slow_highlight_precision(s, m[:, 0]) for s, m in zip(scores, marks, strict=True)]
    np.testing.assert_allclose(highlight_precisions(scores, marks)[:, 0], expected, atol=1e-12)


def slow_precision(found: np.ndarray, truths: np.ndarray, threshold: float) -> float:
    taken: set[int] = set()
    right = []
    for window in found[np.argsort(-found[:, 2], kind="stable")]:
        ious = cross_iou(window[None, :2], truths)[0]
        free = [k for k in np.argsort(ious, kind="stable")[::-1] if k not in taken]
        hit = bool(free) and ious[free[0]] >= threshold
        right.append(hit)
        if hit:
            taken.add(free[0])
    shares = [sum(right[: k + 1]) / (k + 1) for k in range(len(right))]
    return sum(max(shares[k:]) for k in range(len(right)) if right[k]) / len(truths)


window = st.tuples(st.integers(0, 20), st.integers(1, 12))


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(window, st.integers(1, 9)), max_size=6),
            st.lists(window, min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([0.5, 0.7, 0.9]),
)
@settings(deadline=None)
def test_average_precision_is_the_slow_one(queries, threshold: float) -> None:
    found = [
        np.array([(a, a + n, s / 10) for (a, n), s in one], np.float64).reshape(-1, 3)
        for one, _ in queries
    ]
    truths = [np.array([(a, a + n) for a, n in marked], np.float64) for _, marked in queries]
    expected = [slow_precision(f, t, threshold) for f, t in zip(found, truths, strict=True)]
    made = average_precisions(found, truths, [threshold])[:, 0]
    np.testing.assert_allclose(made, expected, atol=1e-12)
