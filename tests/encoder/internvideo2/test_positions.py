"""Position tables for other clips, against interpolation written out in NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from encoder.internvideo2.config import VideoConfig
from encoder.internvideo2.positions import image_table, resized, resized_image_table
from tests.encoder.internvideo2.towers import DISTILLED, STAGE2

Array = NDArray[np.float64]


def table_of(config: VideoConfig) -> torch.Tensor:
    return torch.randn(1, config.tokens, 8, generator=torch.Generator().manual_seed(0))


def linear_weights(before: int, after: int) -> Array:
    """[after, before]: pixel centres are mapped onto pixel centres, ends are held."""
    weights = np.zeros((after, before))
    for i in range(after):
        place = min(max((i + 0.5) * before / after - 0.5, 0.0), before - 1.0)
        low = int(place)
        high = min(low + 1, before - 1)
        weights[i, low] += 1 - (place - low)
        weights[i, high] += place - low
    return weights


def cubic(distance: float, a: float = -0.75) -> float:
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def cubic_weights(before: int, after: int) -> Array:
    """[after, before]: four neighbours each, those beyond the edge are the edge's own."""
    weights = np.zeros((after, before))
    for i in range(after):
        place = (i + 0.5) * before / after - 0.5
        for neighbour in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            weights[i, min(max(neighbour, 0), before - 1)] += cubic(place - neighbour)
    return weights


def slow(table: torch.Tensor, trained: VideoConfig, wanted: VideoConfig) -> Array:
    side = trained.grid
    maps = table[0, 1:].double().numpy().reshape(trained.frames, side, side, -1)
    maps = np.einsum("ts,sxyd->txyd", linear_weights(trained.frames, wanted.frames), maps)
    space = cubic_weights(side, wanted.grid)
    maps = np.einsum("ix,jy,txyd->tijd", space, space, maps)
    rows = maps.reshape(1, -1, maps.shape[-1])
    return np.concatenate([table[:, :1].double().numpy(), rows], axis=1)


@pytest.mark.parametrize("trained", [STAGE2, DISTILLED], ids=["4-frames", "8-frames"])
@pytest.mark.parametrize(
    "wanted", [{"frames": 16}, {"frames": 2}, {"image": 84}, {"frames": 6, "image": 42}]
)
def test_time_is_stretched_linearly_and_space_bicubically(
    trained: VideoConfig, wanted: dict[str, int]
) -> None:
    table, other = table_of(trained), replace(trained, **wanted)
    made = resized(table, trained, other)
    assert made.shape == (1, other.tokens, 8)
    np.testing.assert_allclose(made, slow(table, trained, other), rtol=0, atol=1e-5)


def test_the_same_clips_keep_the_table() -> None:
    table = table_of(STAGE2)
    assert torch.equal(resized(table, STAGE2, STAGE2), table)


def test_half_precision_tables_are_interpolated_in_float32() -> None:
    table = table_of(STAGE2).to(torch.bfloat16)
    made = resized(table, STAGE2, replace(STAGE2, frames=8))
    assert made.dtype == torch.float32
    np.testing.assert_allclose(
        made, slow(table, STAGE2, replace(STAGE2, frames=8)), rtol=0, atol=1e-5
    )


def test_a_picture_without_a_table_has_the_mean_over_frames() -> None:
    table = table_of(DISTILLED)
    made = image_table(table, DISTILLED.frames)
    per_frame = DISTILLED.grid**2
    frames = [table[0, 1 + i * per_frame : 1 + (i + 1) * per_frame] for i in range(8)]
    assert torch.equal(made[0, 0], table[0, 0])
    torch.testing.assert_close(made[0, 1:], sum(frames, torch.zeros_like(frames[0])) / 8)


def test_a_table_of_pictures_is_stretched_like_a_frame() -> None:
    still = replace(STAGE2, frames=1)
    table, other = table_of(still), replace(still, image=84)
    np.testing.assert_allclose(
        resized_image_table(table, still, other), slow(table, still, other), rtol=0, atol=1e-5
    )
