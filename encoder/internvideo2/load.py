"""Video towers from official checkpoints, strictly: every tensor is used, or on the drop list."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from encoder.errors import CheckpointError
from encoder.internvideo2.config import VideoConfig, video_config_of
from encoder.internvideo2.load_report import LoadReport
from encoder.internvideo2.positions import image_table, resized, resized_image_table
from encoder.internvideo2.tower import ENCODER, VideoTower, tower_of

State = Mapping[str, Tensor]

# Heads of the training that embeddings do without: distillation, matching by re-ranking, sound
DROPPED = re.compile(
    r"vision_encoder\.(clip_pos_embed|clip_img_pos_embed|mae_pos_embed)$"
    r"|vision_encoder\.(clip_decoder|final_clip_decoder|mae_decoder)\."
    r"|(itm_head|atm_head|avtm_head|av_fusion|audio_encoder|audio_proj)\."
    r"|(av_concat_vision_proj|av_concat_audio_proj)\."
)
# What is not a video tower's: the text tower, and how scores are scaled
ELSEWHERE = re.compile(r"(text_encoder|text_proj)\.|(temp|logit_scale|logit_bias)$")
_TABLE = ENCODER + "pos_embed"
_IMAGE_TABLE = ENCODER + "img_pos_embed"
_DELTA = re.compile(r"vision_encoder\.clip_projector\.|vision_align\.|temp$")
_MOST = 5  # names in one sentence


def load_video(
    state: State,
    *,
    frames: int | None = None,
    image: int | None = None,
    config: VideoConfig | None = None,
) -> tuple[VideoTower, LoadReport]:
    """The video tower of a checkpoint with official keys, in float32, for clips of `frames`.

    `frames` per clip and `image` (pixels, both sides) are those it was trained with unless given;
    its positions are interpolated for others. `config` says what the checkpoint holds, where its
    shapes do not (`video_config_of`). Tensors that are float32 already are shared, not copied.

    Raises CheckpointError: no map into the joint space, other depth, missing, unknown or misshapen
    tensors (each named), values that are no finite numbers, sizes that cannot be.
    """
    trained = video_config_of(state) if config is None else config
    wanted = _wanted(trained, frames, image)
    own = {key: value for key, value in state.items() if not _is_not_ours(key)}
    _require_fit(own, trained)
    tensors = {key: value.to(torch.float32) for key, value in own.items()}
    _require_finite(tensors)
    interpolated = _fit_positions(tensors, trained, wanted)
    dropped = tuple(key for key in state if DROPPED.match(key))
    return tower_of(wanted, tensors), LoadReport(tuple(own), dropped, interpolated)


def merge_distilled(vision: State, delta: State) -> dict[str, Tensor]:
    """A distilled model's two files as one checkpoint with official keys; the delta's win.

    `vision` has no prefix (`blocks.0...`); `delta` holds `vision_encoder.clip_projector.*`,
    `vision_align.*` and `temp`. Raises CheckpointError for a delta that holds anything else, or
    whose tensors have other shapes than those they replace.
    """
    bare = not any(key.startswith(ENCODER) for key in vision)
    merged = {(ENCODER if bare else "") + key: value for key, value in vision.items()}
    foreign = [key for key in delta if not _DELTA.match(key)]
    if foreign:
        raise CheckpointError(f"the delta holds more than a delta does: {_listed(foreign)}")
    problems = [
        f"{key} has shape {list(value.shape)}, not {list(merged[key].shape)}"
        for key, value in delta.items()
        if key in merged and merged[key].shape != value.shape
    ]
    if problems:
        raise CheckpointError(f"the delta is another model's: {_listed(problems)}")
    return merged | dict(delta)


def _wanted(trained: VideoConfig, frames: int | None, image: int | None) -> VideoConfig:
    try:
        wanted = replace(
            trained,
            frames=trained.frames if frames is None else frames,
            image=trained.image if image is None else image,
        )
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    # for clips of one frame the table becomes theirs: there is no other
    return replace(wanted, image_table=False) if wanted.frames == 1 else wanted


def _is_not_ours(key: str) -> bool:
    return bool(DROPPED.match(key) or ELSEWHERE.match(key))


def _require_fit(given: State, config: VideoConfig) -> None:
    """Raises CheckpointError that names every missing, unknown or misshapen tensor."""
    with torch.device("meta"):
        own = VideoTower(config).state_dict()
    problems = []
    if missing := sorted(own.keys() - given.keys()):
        problems.append(f"missing {_listed(missing)}")
    if unknown := sorted(given.keys() - own.keys()):
        problems.append(f"unknown {_listed(unknown)}")
    misshapen = [
        f"{key} has shape {list(given[key].shape)}, not {list(own[key].shape)}"
        for key in own
        if key in given and own[key].shape != given[key].shape
    ]
    if misshapen:
        problems.append(_listed(misshapen))
    if coded := [key for key, value in given.items() if not value.is_floating_point()]:
        problems.append(f"no floating point numbers in {_listed(coded)}")
    if problems:
        raise CheckpointError(
            "the checkpoint does not hold this video tower and nothing else: " + "; ".join(problems)
        )


def _require_finite(tensors: State) -> None:
    broken = [key for key, value in tensors.items() if not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(
            f"the checkpoint's {_listed(broken)} holds NaN or infinity: fetch it again"
        )


def _fit_positions(
    tensors: dict[str, Tensor], trained: VideoConfig, wanted: VideoConfig
) -> tuple[str, ...]:
    """Put tables for `wanted` in the place of those of `trained`; the names of what changed."""
    before = dict(tensors)
    if wanted.frames == 1:
        own = tensors.pop(_IMAGE_TABLE, None)
        still = image_table(tensors[_TABLE], trained.frames) if own is None else own
        tensors[_TABLE] = resized_image_table(still, trained, wanted)
    elif (trained.frames, trained.grid) != (wanted.frames, wanted.grid):
        tensors[_TABLE] = resized(tensors[_TABLE], trained, wanted)
    if _IMAGE_TABLE in tensors and trained.grid != wanted.grid:
        tensors[_IMAGE_TABLE] = resized_image_table(tensors[_IMAGE_TABLE], trained, wanted)
    return tuple(key for key, value in tensors.items() if value is not before[key])


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
