from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from encoder.errors import ClipError
from encoder.internvideo2.config import VideoConfig
from encoder.internvideo2.initialise import random_tower
from encoder.internvideo2.layers import LayerScale, RMSNorm
from encoder.internvideo2.residuals import residual_peaks
from encoder.internvideo2.tower import VideoTower
from tests.encoder.internvideo2.towers import DISTILLED, STAGE2, Twin, pixels_for

CONFIGS = pytest.mark.parametrize("config", [STAGE2, DISTILLED], ids=["stage2", "distilled"])


@CONFIGS
@pytest.mark.parametrize("still", [False, True], ids=["video", "image"])
@torch.no_grad()
def test_the_tower_agrees_with_plain_double_precision(config: VideoConfig, still: bool) -> None:
    tower = random_tower(config)
    pixels = pixels_for(config, frames=1 if still else None)
    np.testing.assert_allclose(tower(pixels), Twin(tower).embedding(pixels), rtol=0, atol=1e-5)


@torch.no_grad()
def test_more_heads_in_the_pooling_than_in_the_blocks_give_other_vectors() -> None:
    tower = random_tower(replace(STAGE2, pool_heads=8))
    pixels = pixels_for(STAGE2)
    np.testing.assert_allclose(tower(pixels), Twin(tower).embedding(pixels), rtol=0, atol=1e-5)
    assert not torch.allclose(tower(pixels), random_tower(STAGE2)(pixels), atol=1e-5)


@CONFIGS
@torch.no_grad()
def test_a_clip_does_not_depend_on_the_others_of_its_batch(config: VideoConfig) -> None:
    tower, pixels = random_tower(config), pixels_for(config, batch=3)
    torch.testing.assert_close(tower(pixels)[1:2], tower(pixels[1:2]), rtol=0, atol=2e-6)


@pytest.mark.parametrize("shape", [(1, 3, 3, 56, 56), (1, 4, 3, 56, 70), (1, 4, 3, 42, 42)])
def test_clips_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ClipError, match=r"do not fit a tower for 4 of 56x56"):
        random_tower(STAGE2)(torch.zeros(shape))


@CONFIGS
@torch.no_grad()
def test_in_bfloat16_the_last_map_and_the_vector_stay_float32(config: VideoConfig) -> None:
    tower, pixels = random_tower(config), pixels_for(config)
    lowered = tower.in_precision(torch.bfloat16)
    dtypes = {key: value.dtype for key, value in lowered.state_dict().items()}
    assert {v for k, v in dtypes.items() if k.startswith("vision_encoder.")} == {torch.bfloat16}
    assert {v for k, v in dtypes.items() if not k.startswith("vision_encoder.")} == {torch.float32}
    vectors = lowered(pixels)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))
    assert F.cosine_similarity(vectors, tower(pixels)).min() > 0.999
    assert tower.vision_encoder.cls_token.dtype == torch.float32  # the tower itself is as it was


def test_in_its_own_precision_a_tower_shares_its_weights() -> None:
    tower = random_tower(STAGE2)
    same = tower.in_precision(torch.float32)
    weight = tower.vision_encoder.blocks[0].mlp.fc1.weight
    assert same.vision_encoder.blocks[0].mlp.fc1.weight.data_ptr() == weight.data_ptr()


@torch.no_grad()
def test_the_statistics_of_norms_are_float32() -> None:
    norm = RMSNorm(64).to(torch.float16)
    x = torch.full((1, 64), 1000.0, dtype=torch.float16)  # its square is beyond float16
    torch.testing.assert_close(norm(x), torch.ones_like(x))


@torch.no_grad()
def test_layer_scale_rounds_once_in_float32_and_twice_otherwise() -> None:
    x = torch.linspace(0.1, 1.1, 512).to(torch.bfloat16)
    exact, plain = LayerScale(512, in_float32=True), LayerScale(512, in_float32=False)
    for scale in (exact, plain):
        scale.gamma.copy_(torch.linspace(0.9, 1.3, 512))
    rounded = (x.float() * exact.gamma).to(torch.bfloat16)
    assert torch.equal(exact(x), rounded)
    assert exact(x).dtype == torch.bfloat16
    assert not torch.equal(plain.to(torch.bfloat16)(x), rounded)


def test_residual_peaks_are_those_of_the_stream_after_each_block() -> None:
    tower, pixels = random_tower(STAGE2), pixels_for(STAGE2)
    seen: list[float] = []
    for block in tower.vision_encoder.blocks:
        block.register_forward_hook(lambda _m, _i, out: seen.append(float(out.abs().max())))
    peaks = residual_peaks(tower, pixels)
    with torch.no_grad():
        tower(pixels)
    assert peaks == seen[: len(peaks)] == seen[len(peaks) :]
    assert len(peaks) == STAGE2.depth
    tower.vision_encoder.blocks[0].mlp.fc2.bias[3] = 1e6
    assert min(residual_peaks(tower, pixels)) > 1e5


def test_random_towers_are_the_same_for_a_seed_and_differ_between_seeds() -> None:
    first, again, other = (random_tower(STAGE2, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    assert not any(torch.equal(value, other[key]) for key, value in first.items())
    gamma = first["vision_encoder.blocks.0.ls1.gamma"]
    assert 0.4 < float(gamma.mean()) < 0.6


def test_the_state_dict_has_the_published_shapes() -> None:
    tower = VideoTower(STAGE2)
    state = tower.state_dict()
    assert state["vision_encoder.patch_embed.proj.weight"].shape == (176, 3, 1, 14, 14)
    before = {key: value.clone() for key, value in state.items()}
    tower.load_state_dict(before)
    assert all(torch.equal(value, before[key]) for key, value in tower.state_dict().items())
    assert before["vision_encoder.patch_embed.proj.weight"].shape == (176, 3, 1, 14, 14)
