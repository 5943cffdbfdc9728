from dataclasses import replace

import pytest
import torch
from torch import Tensor

from encoder.errors import CheckpointError
from encoder.internvideo2.config import VARIANTS, VideoConfig, video_config_of
from encoder.internvideo2.tower import VideoTower
from tests.encoder.internvideo2.towers import DISTILLED, STAGE2

# Section 1.1 of the model's description: parameters of the part that embeddings need
PARAMETERS = {
    "clip-s14": 23_043_840,
    "clip-b14": 89_438_976,
    "clip-l14": 308_929_280,
    "stage2-1b": 1_019_266_816,
    "stage2-6b": 5_941_735_168,  # as trained with 8 frames
}
HEADS = {"projection": 393_728, "align": 395_264}


def shapes_of(config: VideoConfig) -> dict[str, Tensor]:
    with torch.device("meta"):
        return dict(VideoTower(config).state_dict())


@pytest.mark.parametrize("variant", VARIANTS)
def test_published_towers_have_the_published_number_of_parameters(variant: str) -> None:
    config = VARIANTS[variant]
    state = shapes_of(replace(config, frames=8) if variant == "stage2-6b" else config)
    sizes = {key: value.numel() for key, value in state.items()}
    head = {key: n for key, n in sizes.items() if not key.startswith("vision_encoder.")}
    stills = sizes.pop("vision_encoder.img_pos_embed", 0)
    assert sum(sizes.values()) - sum(head.values()) == PARAMETERS[variant]
    assert sum(head.values()) == HEADS[config.head]
    assert stills == (361_856 if variant == "stage2-1b" else 0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_checkpoint_of_a_published_tower_says_which_it_is(variant: str) -> None:
    assert video_config_of(shapes_of(VARIANTS[variant])) == VARIANTS[variant]


@pytest.mark.parametrize(
    "config",
    [
        STAGE2,
        DISTILLED,
        replace(STAGE2, image_table=False),
        replace(STAGE2, width=384, heads=3, pool_heads=3, depth=12),
        replace(STAGE2, frames=6, image=70),  # the table of pictures says so
    ],
)
def test_a_reduced_checkpoint_says_its_sizes(config: VideoConfig) -> None:
    if config.width == 384:  # a published width has its published heads
        config = replace(config, heads=6, pool_heads=16)
    assert video_config_of(shapes_of(config)) == config


def test_heads_of_a_stage_2_tower_are_88_wide_or_else_128() -> None:
    wide = replace(STAGE2, width=640, heads=5, pool_heads=5)
    assert video_config_of(shapes_of(wide)) == wide
    with pytest.raises(CheckpointError, match=r"number of heads of width 100: give the tower's"):
        video_config_of(shapes_of(replace(STAGE2, width=100, heads=2)))


def test_frames_are_asked_for_where_rows_do_not_tell() -> None:
    odd = replace(DISTILLED, frames=3)
    with pytest.raises(CheckpointError, match=r"its 48 positions are no whole number of square"):
        video_config_of(shapes_of(odd))
    assert video_config_of(shapes_of(odd), frames_trained=3) == odd
    with pytest.raises(CheckpointError, match="when there are 7: give another"):
        video_config_of(shapes_of(odd), frames_trained=7)


def test_a_published_width_with_other_frames_is_read_from_its_rows() -> None:
    more = replace(VARIANTS["clip-s14"], frames=16)
    assert video_config_of(shapes_of(more)) == more


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"heads": 3}, "not divided by 3 heads"),
        ({"pool_heads": 5}, "and 5 pooling heads"),
        ({"image": 57}, "give a multiple of 14"),
        ({"image": 0}, "give a multiple of 14"),
        ({"frames": 0}, "2 blocks for 0 frames: give one at least"),
    ],
)
def test_sizes_that_do_not_fit_each_other_are_refused(sizes: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(STAGE2, **sizes)
