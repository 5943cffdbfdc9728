"""What float16 would have to hold of a tower's residual stream."""

import numpy as np
import pytest
import torch

from encoder.internvideo2.initialise import random_tower
from encoder.internvideo2.recipes import space_of
from encoder.internvideo2.residuals import drawn_peaks, float16_problem, hard_clips, residual_peaks
from tests.encoder.internvideo2.towers import STAGE2

SPACE = space_of("evaluation", "small", STAGE2, 2.0)


def test_clips_are_at_the_ends_of_what_pixels_can_be() -> None:
    clips = hard_clips(SPACE)
    assert clips.dtype == np.uint8
    assert clips.shape[1:] == (STAGE2.frames, STAGE2.image, STAGE2.image, 3)
    plain = [tuple(clip[0, 0, 0]) for clip in clips if np.ptp(clip, axis=(0, 1, 2)).max() == 0]
    assert plain == [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255)]
    assert len(clips) == 5
    assert np.ptp(clips[-1]) == 255
    np.testing.assert_array_equal(clips, hard_clips(SPACE))


def test_peaks_are_the_largest_of_any_clip_normalised_as_its_space_says() -> None:
    tower = random_tower(STAGE2)
    mean = torch.tensor(SPACE.mean)[:, None, None]
    std = torch.tensor(SPACE.std)[:, None, None]
    frames = torch.from_numpy(hard_clips(SPACE)).permute(0, 1, 4, 2, 3) / 255
    pixels = (frames - mean) / std
    wanted = np.max([residual_peaks(tower, clip[None]) for clip in pixels], axis=0)
    np.testing.assert_allclose(drawn_peaks(tower, SPACE), wanted, rtol=1e-4)
    half = drawn_peaks(tower.to(torch.bfloat16), SPACE)  # of the same weights, rounded
    np.testing.assert_allclose(half, wanted, rtol=0.05)


@pytest.mark.parametrize("peak", [40_000.0, 1e6, float("inf"), float("nan")])
def test_a_peak_near_the_end_of_float16_is_a_problem(peak: float) -> None:
    told = float16_problem([3.0, peak, 5.0])
    assert told.startswith(f"after block 1 of 3 the residual stream reaches {peak:.0f}, float16")


def test_a_small_stream_is_none() -> None:
    assert float16_problem([3.0, 30_000.0]) == ""
    assert float16_problem(drawn_peaks(random_tower(STAGE2), SPACE)) == ""


def test_a_tower_that_grows_names_its_block() -> None:
    tower = random_tower(STAGE2)
    tower.vision_encoder.blocks[1].mlp.fc2.bias[3] = 1e6
    assert float16_problem(drawn_peaks(tower, SPACE)).startswith("after block 1 of ")
