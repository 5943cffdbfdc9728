"""From raw outputs to windows: the official lists, and what may go wrong in live windows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.sgdetr.detector_output import (
    AtssList,
    DetectorOutput,
    atss_windows,
    combined_score,
    detr_windows,
    position_mask,
    sigmoid,
    valid_seconds,
)
from grounding.sgdetr.postprocess import (
    FinishSettings,
    PostprocessSettings,
    combined_windows,
    finish,
    finish_detr,
    fused_windows,
)
from tests.grounding.sgdetr import loss_golden as golden

CASES = {
    "sgdetr_a_L75_N12": PostprocessSettings.qvhighlights(),
    "sgdetr_b_L40_N40": PostprocessSettings.qvhighlights(),
    "sgdetr_c_batch3_L40": PostprocessSettings.qvhighlights(),
    "sgdetr_d_L8_N5": PostprocessSettings.qvhighlights(),
    "sgdetr_e_tacos_L120_N9": PostprocessSettings.tacos(),
}
LIVE = PostprocessSettings.live()


def golden_output(arrays):
    def levels(name):
        return np.concatenate([arrays[f"atss_{name}{level}"] for level in range(4)], axis=1)

    return DetectorOutput(
        local_saliency=arrays["S_local"],
        global_saliency=arrays["S_global"],
        span=arrays["dec_span"][-1],
        label=arrays["dec_cls"][-1, ..., 0],
        quality=arrays["dec_quality"][-1, ..., 0],
        atss_label=levels("cls")[..., 0],
        atss_box=levels("box"),
        atss_centerness=levels("ctr")[..., 0],
    )


def random_output(seed, rows=2, clips=8, mask=None, level=0.0):
    """Random heads; `level` shifts every score logit."""
    make = np.random.default_rng(seed)
    positions = 15 * clips // 4

    def logits(*shape):
        return (make.standard_normal((rows, *shape)) * 2 + level).astype(np.float32)

    return DetectorOutput(
        local_saliency=logits(clips),
        global_saliency=logits(clips),
        span=make.random((rows, 25, 2), dtype=np.float32),
        label=logits(25),
        quality=logits(25),
        atss_label=logits(positions),
        atss_box=make.standard_normal((rows, positions, 2)).astype(np.float32) * 3,
        atss_centerness=logits(positions),
        mask=mask,
    )


@pytest.fixture(params=CASES, scope="module")
def case(request):
    path = golden.GOLDEN / f"{request.param}.npz"
    if not path.exists():
        pytest.skip("golden figures are not here")
    arrays = golden.load(path.name)
    return arrays, golden_output(arrays), CASES[request.param]


def test_detr_lists_equal_the_official_ones(case):
    arrays, output, options = case
    for b, rows in enumerate(detr_windows(output, arrays["duration"])):
        expected = arrays[f"detr_raw_b{b}"]
        np.testing.assert_allclose(rows[:, :2], expected[:, :2], rtol=0, atol=1e-3)
        np.testing.assert_allclose(rows[:, 2:], expected[:, 2:], rtol=0, atol=2e-5)
        done = finish_detr(rows, options.finish)
        np.testing.assert_array_equal(done[:, :2], arrays[f"detr_post_b{b}"][:, :2])
        np.testing.assert_allclose(done[:, 2], arrays[f"detr_post_b{b}"][:, 2], atol=2e-4)


def test_atss_lists_equal_the_official_ones(case):
    arrays, output, options = case
    for b, rows in enumerate(atss_windows(output, arrays["duration"], options.atss)):
        expected = arrays[f"aux_raw_b{b}"]
        assert rows.shape == expected.shape
        np.testing.assert_allclose(rows[:, :2], expected[:, :2], rtol=0, atol=1e-3)
        np.testing.assert_allclose(rows[:, 2], expected[:, 2], rtol=0, atol=2e-5)
        done = finish(rows, options.finish)
        np.testing.assert_array_equal(done[:, :2], arrays[f"aux_post_b{b}"][:, :2])
        np.testing.assert_allclose(done[:, 2], arrays[f"aux_post_b{b}"][:, 2], atol=2e-4)


def test_fused_lists_equal_the_official_ones(case):
    arrays, output, options = case
    raw = fused_windows(output, arrays["duration"], options)
    done = combined_windows(output, arrays["duration"], options)
    for b in range(len(raw)):
        expected = arrays[f"comb_raw_b{b}"]
        assert raw[b].shape == expected.shape
        np.testing.assert_allclose(raw[b][:, :2], expected[:, :2], rtol=0, atol=1e-3)
        np.testing.assert_allclose(raw[b][:, 2], expected[:, 2], rtol=0, atol=2e-5)
        np.testing.assert_array_equal(done[b][:, :2], arrays[f"comb_post_b{b}"][:, :2])
        np.testing.assert_allclose(done[b][:, 2], arrays[f"comb_post_b{b}"][:, 2], atol=2e-4)


def test_a_batch_gives_what_its_rows_give():
    output = random_output(5, rows=3)
    durations = np.array([16.0, 16.0, 16.0])
    together = combined_windows(output, durations, LIVE)
    for b in range(3):
        part = slice(b, b + 1)
        fields = {
            name: getattr(output, name)[part] for name in DetectorOutput.__slots__ if name != "mask"
        }
        alone = combined_windows(DetectorOutput(**fields), durations[part], LIVE)[0]
        np.testing.assert_allclose(alone, together[b], rtol=1e-6)


@given(st.integers(0, 1000), st.integers(0, 7), st.integers(1, 8), st.floats(-4, 4))
@settings(max_examples=50, deadline=None)
def test_live_windows_stay_among_valid_clips(seed, first, count, level):
    mask = np.zeros((2, 8), dtype=np.bool_)
    last = min(8, first + count)
    mask[:, first:last] = True
    output = random_output(seed, mask=mask, level=level)
    for windows in combined_windows(output, np.full(2, 2.0 * last), LIVE):
        assert windows.dtype == np.float64
        assert (windows[:, 0] >= 2.0 * first - 1e-5).all()
        assert (windows[:, 1] <= 2.0 * last + 1e-5).all()
        assert (windows[:, 1] - windows[:, 0] >= 0.5 - 1e-5).all()
        assert (np.diff(windows[:, 2]) <= 0).all()
        assert ((windows[:, 2] > 0) & (windows[:, 2] <= 1.5)).all()


def test_nothing_is_found_where_no_clip_is():
    output = random_output(1, mask=np.zeros((2, 8), dtype=np.bool_))
    assert [len(found) for found in combined_windows(output, np.full(2, 16.0), LIVE)] == [0, 0]


def test_masked_positions_give_no_atss_window():
    mask = np.ones((2, 8), dtype=np.bool_)
    mask[1, 4:] = False
    output = random_output(2, mask=mask)
    durations = np.array([16.0, 8.0])
    raw = replace(output, atss_label=np.where(position_mask(mask), output.atss_label, 50.0))
    for free, loud in zip(
        atss_windows(output, durations, LIVE.atss),
        atss_windows(raw, durations, LIVE.atss),
        strict=True,
    ):
        np.testing.assert_array_equal(free, loud)


def test_low_scores_give_empty_lists():
    output = random_output(3, level=-40.0)
    durations = np.full(2, 16.0)
    for found in atss_windows(output, durations, AtssList(0.05, 0.5, 10)):
        assert found.shape == (0, 3)
    for found in combined_windows(output, durations, LIVE):
        assert found.shape == (0, 3)


def test_the_best_are_kept_with_their_ties():
    output = random_output(4, rows=1)
    flat = replace(
        output,
        atss_label=np.zeros_like(output.atss_label),
        atss_centerness=np.zeros_like(output.atss_centerness),
    )
    (found,) = atss_windows(flat, np.array([16.0]), AtssList(0.05, 1.0, 3))
    assert len(found) == output.atss_label.shape[1]


def test_positions_follow_their_clips():
    mask = np.array([[True, True, True, True, True, False, False, False]])
    lengths = [16, 8, 4, 2]
    levels = np.split(position_mask(mask)[0], np.cumsum(lengths)[:-1])
    assert [level.sum() for level in levels] == [10, 5, 3, 2]


def test_valid_seconds_reach_from_the_first_to_the_last_clip():
    mask = np.array([[False, True, False, True, False, False, False, False]] * 2)
    mask[1] = False
    low, high = valid_seconds(random_output(0, mask=mask), np.array([8.0, 8.0]))
    assert (low.tolist(), high.tolist()) == ([2.0, 0.0], [8.0, 0.0])


def test_combined_score_is_the_geometric_mean():
    rows = np.array([[0.0, 1.0, 0.25, 0.16]], dtype=np.float32)
    assert combined_score(rows)[0] == pytest.approx(0.2)


@given(st.floats(-200, 200, width=32))
def test_sigmoid_never_overflows(logit):
    found = sigmoid(np.array([logit], dtype=np.float32))[0]
    assert found == pytest.approx(1 / (1 + np.exp(-np.float64(logit))), abs=1e-6)
    assert found.dtype == np.float32


def test_windows_are_clamped_then_rounded_then_mended():
    rows = np.array([[-3.0, 7.2, 0.123456], [100.0, 100.4, 0.5], [149.0, 152.0, 0.5]])
    done = finish(rows, FinishSettings(2.0, 150.0, min_length=2.0))
    expected = [[0.0, 8.0, 0.1235], [99.0, 101.0, 0.5], [148.0, 150.0, 0.5]]
    np.testing.assert_allclose(done, expected)


def test_the_official_length_fix_may_leave_the_video_ours_may_not():
    rows = np.array([[0.0, 0.1, 0.5], [15.95, 16.0, 0.5]])
    official = finish(rows, FinishSettings(None, None, min_length=0.5))
    assert official[0, 0] < 0
    assert official[1, 1] > 16
    live = finish(rows, LIVE.finish, (0.0, 16.0))
    np.testing.assert_allclose(live[:, :2], [[0.0, 0.5], [15.5, 16.0]])


def test_long_windows_are_cut_around_their_centre():
    rows = np.array([[10.0, 90.0, 0.5]])
    done = finish(rows, FinishSettings(None, None, max_length=20.0, round_scores=False))
    np.testing.assert_allclose(done, [[40.0, 60.0, 0.5]])


def test_a_window_shorter_than_the_least_length_is_kept_whole_inside():
    done = finish(np.array([[0.1, 0.2, 0.5]]), LIVE.finish, (0.0, 0.3))
    np.testing.assert_allclose(done, [[0.0, 0.3, 0.5]])


def test_no_window_needs_no_finish():
    assert finish(np.zeros((0, 3)), LIVE.finish).shape == (0, 3)


def test_presets_differ_as_published():
    qvh, charades, tacos = (
        PostprocessSettings.qvhighlights(),
        PostprocessSettings.charades(),
        PostprocessSettings.tacos(),
    )
    assert qvh.fused_atss == AtssList(0.01, 0.75, 10)
    assert charades.fusion.skip == 0.4
    assert tacos.finish.grid_seconds == 0.4
    assert LIVE.finish.grid_seconds is None
    assert LIVE.finish.min_length == 0.5
