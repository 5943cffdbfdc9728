"""Temporal end points: the official loader's, and what the gate takes instead."""

import numpy as np
import pytest
import torch

from grounding.sgdetr.end_points import newest_end_points, with_end_points
from tests.grounding.sgdetr import loss_golden
from tests.grounding.sgdetr.networks import GOLDEN


def test_rows_that_fill_up_are_zero_and_count():
    video = torch.ones(2, 8, 3)
    mask = torch.ones(2, 8)
    mask[0, 6:] = 0
    mask[1, 2] = 0  # a clip that is missing
    rows, counted = with_end_points(video, mask)
    assert counted.eq(1).all()
    assert not rows[0, 6:].any()
    assert not rows[1, 2].any()
    torch.testing.assert_close(rows[0, 5], torch.tensor([1, 1, 1, 5 / 6, 1.0]))
    torch.testing.assert_close(rows[1, 3], torch.tensor([1, 1, 1, 3 / 8, 4 / 8]))


def test_the_newest_clip_of_a_full_window_is_the_last_row():
    video = torch.randn(1, 75, 4)
    rows, _ = with_end_points(video, torch.ones(1, 75))
    torch.testing.assert_close(newest_end_points(video[0], 75)[-1], rows[0, -1])


@pytest.mark.skipif(
    not (GOLDEN / "sgdetr_a_L75_N12.npz").exists(), reason="golden figures are not here"
)
@pytest.mark.parametrize("case", ["a_L75_N12", "b_L40_N40", "c_batch3_L40", "d_L8_N5"])
def test_rows_are_the_official_loaders(case):
    arrays = loss_golden.load(f"sgdetr_{case}.npz")
    wanted = arrays["src_vid"]
    seen = wanted.any(axis=2).astype(np.float32)
    rows, mask = with_end_points(torch.from_numpy(wanted[..., :512]), torch.from_numpy(seen))
    np.testing.assert_allclose(rows.numpy(), wanted, rtol=0, atol=2e-7)
    np.testing.assert_array_equal(mask.numpy(), arrays["src_vid_mask"])
