from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from encoder.errors import CheckpointError
from encoder.internvideo2.initialise import random_tower
from encoder.internvideo2.load import load_video, merge_distilled
from tests.encoder.internvideo2.towers import (
    DISTILLED,
    STAGE2,
    Twin,
    official_state,
    pixels_for,
)

BLOCK = "vision_encoder.blocks.1."


def whole_stage2() -> dict[str, Tensor]:
    """A checkpoint with what else a published one holds."""
    return official_state(STAGE2) | {
        "vision_encoder.clip_pos_embed": torch.zeros(1, 65, 176),
        "vision_encoder.clip_decoder.0.head.weight": torch.zeros(8, 176),
        "vision_encoder.final_clip_decoder.norm.bias": torch.zeros(8),
        "itm_head.weight": torch.zeros(2, 8),
        "audio_encoder.layer.weight": torch.zeros(2),
        "text_encoder.bert.embeddings.word_embeddings.weight": torch.zeros(3, 8),
        "text_proj.bias": torch.zeros(8),
        "temp": torch.tensor(0.07),
    }


def distilled_files() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The two files of a distilled model: a vision file without prefix, and a delta."""
    state = official_state(DISTILLED)
    prefix = "vision_encoder."
    vision = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    vision |= {"clip_pos_embed": torch.zeros(1), "clip_decoder.0.head.2.bias": torch.zeros(1)}
    delta = {k: v for k, v in state.items() if k.startswith((f"{prefix}clip_proj", "vision_align"))}
    trained = {k: torch.zeros_like(v) for k, v in vision.items() if k.startswith("clip_proj")}
    return vision | trained, delta | {"temp": torch.tensor(0.07)}


def test_everything_is_loaded_or_dropped_and_said() -> None:
    state = whole_stage2()
    tower, report = load_video(state)
    assert tower.config == STAGE2
    assert not tower.training
    assert set(report.loaded) == official_state(STAGE2).keys()
    assert set(report.dropped) == set(list(state)[-8:-3])
    assert report.interpolated == ()
    assert report.sentence == f"{len(report.loaded)} tensors loaded, 5 dropped, 0 interpolated"
    for key, value in tower.state_dict().items():
        assert torch.equal(value, state[key])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_are_loaded_into_float32(dtype: torch.dtype) -> None:
    state = {key: value.to(dtype) for key, value in official_state(STAGE2).items()}
    tower, _ = load_video(state)
    for key, value in tower.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, state[key].float())


@torch.no_grad()
def test_other_clips_get_interpolated_positions() -> None:
    tower, report = load_video(official_state(STAGE2), frames=8, image=84)
    assert report.interpolated == ("vision_encoder.pos_embed", "vision_encoder.img_pos_embed")
    assert set(report.interpolated) <= set(report.loaded)
    assert (tower.config.frames, tower.config.image) == (8, 84)
    for frames in (8, 1):
        pixels = pixels_for(tower.config, frames=frames)
        np.testing.assert_allclose(tower(pixels), Twin(tower).embedding(pixels), rtol=0, atol=1e-5)
    again, report = load_video(official_state(STAGE2), frames=4, image=56)
    assert report.interpolated == ()
    assert again.config == STAGE2


@pytest.mark.parametrize("config", [STAGE2, DISTILLED], ids=["own-table", "mean"])
@torch.no_grad()
def test_a_tower_for_single_frames_says_what_the_trained_one_says_of_pictures(config) -> None:
    still, report = load_video(official_state(config), frames=1)
    pixels = pixels_for(config, frames=1)
    torch.testing.assert_close(still(pixels), random_tower(config)(pixels), rtol=0, atol=1e-6)
    assert still.config == replace(config, frames=1, image_table=False)
    assert report.interpolated == ("vision_encoder.pos_embed",)


def test_a_configuration_says_what_shapes_do_not() -> None:
    config = replace(STAGE2, heads=4, pool_heads=8)
    tower, _ = load_video(official_state(config), config=config)
    assert tower.config == config
    assert load_video(official_state(config))[0].config == STAGE2  # the rule's, for this width
    odd = replace(DISTILLED, frames=3)
    assert load_video(official_state(odd), config=odd, frames=8)[0].config.frames == 8


Change = dict[str, Tensor | None]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({f"{BLOCK}mlp.fc1.bias": None}, r"missing vision_encoder\.blocks\.1\.mlp\.fc1\.bias$"),
        ({"vision_encoder.extra": torch.zeros(1)}, r"unknown vision_encoder\.extra$"),
        ({"speech.weight": torch.zeros(1)}, r"unknown speech\.weight$"),
        (
            {f"{BLOCK}attn.qkv.weight": torch.zeros(3, 4)},
            r"blocks\.1\.attn\.qkv\.weight has shape \[3, 4\], not \[528, 176\]",
        ),
        (
            {f"{BLOCK}norm1.weight": torch.zeros(176, dtype=torch.int8)},
            r"no floating point numbers in vision_encoder\.blocks\.1\.norm1\.weight",
        ),
        (
            {f"{BLOCK}norm1.weight": torch.full((176,), torch.nan)},
            r"blocks\.1\.norm1\.weight holds NaN or infinity: fetch it again",
        ),
        ({"vision_proj.weight": None}, "neither vision_proj nor vision_align"),
        ({"vision_align.1.weight": torch.zeros(64, 96)}, "both vision_proj and vision_align"),
        ({"vision_encoder.cls_token": None}, r"no whole video tower: vision_encoder\.cls_token"),
        ({"vision_encoder.pos_embed": torch.zeros(9)}, "odd shapes"),
        ({"vision_encoder.blocks.4.ls1.gamma": torch.ones(176)}, "5 blocks, but block 2, 3 is"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(change: Change, sentence: str) -> None:
    state: Change = dict(whole_stage2()) | change
    with pytest.raises(CheckpointError, match=sentence):
        load_video({key: value for key, value in state.items() if value is not None})


def test_a_checkpoint_whose_layers_are_half_there_names_a_handful() -> None:
    state = official_state(STAGE2)
    kept = {k: v for k, v in state.items() if not k.startswith((f"{BLOCK}mlp", f"{BLOCK}attn"))}
    with pytest.raises(CheckpointError) as raised:
        load_video(kept)
    assert str(raised.value).count(BLOCK) == 5
    assert str(raised.value).endswith("and 4 more")


def test_a_published_width_with_fewer_blocks_is_a_broken_download() -> None:
    cut = replace(DISTILLED, width=384, heads=6, pool_heads=16, depth=2)
    with pytest.raises(CheckpointError, match="has 2 blocks, and a tower of width 384 has 12"):
        load_video(official_state(cut))
    assert load_video(official_state(cut), config=cut)[0].config == cut


def test_blocks_beyond_a_given_configuration_are_unknown() -> None:
    with pytest.raises(CheckpointError, match=r"unknown vision_encoder\.blocks\.1\."):
        load_video(official_state(STAGE2), config=replace(STAGE2, depth=1))


@pytest.mark.parametrize("wanted", [{"image": 57}, {"frames": -1}, {"frames": 0}])
def test_clips_that_cannot_be_are_refused(wanted: dict[str, int]) -> None:
    with pytest.raises(CheckpointError, match=r"multiple of 14|for (-1|0) frames"):
        load_video(official_state(STAGE2), **wanted)


def test_a_distilled_model_is_its_two_files_and_the_delta_wins() -> None:
    vision, delta = distilled_files()
    tower, report = load_video(merge_distilled(vision, delta))
    assert tower.config == DISTILLED
    wanted = official_state(DISTILLED)
    assert all(torch.equal(value, wanted[key]) for key, value in tower.state_dict().items())
    assert set(report.dropped) == {
        "vision_encoder.clip_pos_embed",
        "vision_encoder.clip_decoder.0.head.2.bias",
    }


def test_a_vision_file_alone_asks_for_its_delta() -> None:
    vision, _ = distilled_files()
    with pytest.raises(CheckpointError, match="give its delta, too"):
        load_video(vision)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"vision_encoder.pos_embed": torch.zeros(1)}, r"more than a delta.*: vision_encoder\.pos"),
        ({"vision_encoder.clip_projector.norm1_q.bias": torch.zeros(3)}, r"\[3\], not \[128\]"),
    ],
)
def test_a_delta_that_is_none_is_refused(change: dict[str, Tensor], sentence: str) -> None:
    vision, delta = distilled_files()
    with pytest.raises(CheckpointError, match=sentence):
        merge_distilled(vision, delta | change)


def test_a_delta_without_its_map_is_refused_when_loaded() -> None:
    vision, delta = distilled_files()
    for key in [key for key in delta if key.startswith("vision_align.0")]:
        del delta[key]
    with pytest.raises(CheckpointError, match=r"missing vision_align\.0\.bias"):
        load_video(merge_distilled(vision, delta))
