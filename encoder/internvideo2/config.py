"""Sizes of InternVideo2's video towers: the published ones, and what a checkpoint's shapes say.

Source: Wang et al., "InternVideo2" (ECCV 2024), and the published configurations. No torch here.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from encoder.errors import CheckpointError

Head = Literal["projection", "align"]


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """One video tower. Raises ValueError for sizes that do not fit each other."""

    width: int
    depth: int
    heads: int
    mlp_hidden: int
    pool_heads: int
    frames: int  # those of the position table
    pooled: int = 768
    joint: int = 512
    patch: int = 14
    image: int = 224  # pixels, both sides
    head: Head = "projection"  # a linear map, or "align": LayerNorm and a linear map
    image_table: bool = False  # positions of their own for clips of one frame
    layerscale_fp32: bool = True  # multiplies in float32, whatever the precision

    def __post_init__(self) -> None:
        if self.width % self.heads or self.width % self.pool_heads:
            raise ValueError(
                f"a width of {self.width} is not divided by {self.heads} heads"
                f" and {self.pool_heads} pooling heads"
            )
        if self.image < self.patch or self.image % self.patch:
            raise ValueError(
                f"pictures of {self.image} pixels are no whole number of patches of"
                f" {self.patch}: give a multiple of {self.patch}"
            )
        if min(self.frames, self.depth) < 1:
            raise ValueError(
                f"a tower of {self.depth} blocks for {self.frames} frames: give one at least"
            )

    @property
    def grid(self) -> int:
        """Patches along one side of a frame."""
        return self.image // self.patch

    @property
    def tokens(self) -> int:
        """Tokens of a clip: one for the whole, then every patch of every frame."""
        return 1 + self.frames * self.grid**2


def _stage2(width: int, depth: int, heads: int, hidden: int, image_table: bool) -> VideoConfig:
    return VideoConfig(width, depth, heads, hidden, 16, 4, image_table=image_table)


def _distilled(width: int, depth: int, heads: int) -> VideoConfig:
    return VideoConfig(width, depth, heads, 4 * width, 16, 8, head="align", layerscale_fp32=False)


VARIANTS: Mapping[str, VideoConfig] = MappingProxyType(
    {
        "stage2-1b": _stage2(1408, 40, 16, 6144, image_table=True),
        "stage2-6b": _stage2(3200, 48, 25, 12800, image_table=False),
        "clip-s14": _distilled(384, 12, 6),
        "clip-b14": _distilled(768, 12, 12),
        "clip-l14": _distilled(1024, 24, 16),
    }
)
_BY_WIDTH = {config.width: config for config in VARIANTS.values()}

Shapes = Mapping[str, tuple[int, ...]]
_HEADS: Mapping[Head, str] = MappingProxyType(
    {"projection": "vision_proj.weight", "align": "vision_align.1.weight"}
)
_IMAGE_TABLE = "vision_encoder.img_pos_embed"
_DECIDING = (
    "vision_encoder.cls_token",
    "vision_encoder.pos_embed",
    "vision_encoder.patch_embed.proj.weight",
    "vision_encoder.blocks.0.mlp.fc1.weight",
    "vision_encoder.clip_projector.cross_attn.proj.weight",
)
_BLOCK = re.compile(r"vision_encoder\.blocks\.(\d+)\.")


class Shaped(Protocol):
    """A tensor, as far as its shape goes."""

    @property
    def shape(self) -> Sequence[int]:
        """Sizes of the axes."""


def video_config_of(state: Mapping[str, Shaped], frames_trained: int | None = None) -> VideoConfig:
    """The tower that a checkpoint with official names holds, of a published or a reduced size.

    Shapes do not tell the number of heads. A published width has its published heads; of another,
    heads are 88 channels wide (128 where 88 does not divide the width) beside `vision_proj`, 64
    beside `vision_align`, and the pooling has as many. Nor do they tell frames from rows where a
    checkpoint has no table for single pictures: then there are `frames_trained` frames, by default
    as many as fit 16x16 patches at a published width, and else 4 (`vision_proj`) or 8.

    Raises CheckpointError if a tensor that decides is missing, or if a published width has another
    depth than the published one.
    """
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    head = _head_of(shapes)
    missing = [key for key in _DECIDING if key not in shapes]
    if missing:
        raise CheckpointError(
            f"the checkpoint holds no whole video tower: {', '.join(missing)} missing"
        )
    cls, positions, patches, hidden, pooling = (shapes[key] for key in _DECIDING)
    try:
        width, rows, patch = cls[2], positions[1] - 1, patches[-1]
        heads, pool_heads = _heads_of(width, head)
        per_frame = _rows_per_frame(shapes, rows, width, head, frames_trained)
        return VideoConfig(
            width=width,
            depth=_depth_of(shapes, width),
            heads=heads,
            mlp_hidden=hidden[0],
            pool_heads=pool_heads,
            frames=rows // per_frame,
            pooled=pooling[0],
            joint=shapes[_HEADS[head]][0],
            patch=patch,
            image=patch * math.isqrt(per_frame),
            head=head,
            image_table=_IMAGE_TABLE in shapes,
            layerscale_fp32=head == "projection",
        )
    except (IndexError, ValueError) as error:
        raise CheckpointError(f"the checkpoint's video tower has odd shapes: {error}") from error


def _head_of(shapes: Shapes) -> Head:
    """Which of the two last maps is there; both or none is an error of its own."""
    found = [head for head, key in _HEADS.items() if key in shapes]
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(
            "the checkpoint holds both vision_proj and vision_align: a tower has one of them"
        )
    if "cls_token" in shapes:
        raise CheckpointError(
            "this file holds a video tower alone, without the map into the space that texts share:"
            " for a distilled model give its delta, too (the file with vision_align)"
        )
    raise CheckpointError(
        "the checkpoint holds neither vision_proj nor vision_align: without one of them its"
        " vectors are in no space that texts share. Give a Stage 2 checkpoint, or a distilled"
        " model's vision file with its delta"
    )


def _heads_of(width: int, head: Head) -> tuple[int, int]:
    """Heads of the blocks and of the pooling."""
    if width in _BY_WIDTH:
        published = _BY_WIDTH[width]
        return published.heads, published.pool_heads
    wide = (88, 128) if head == "projection" else (64,)
    for channels in wide:
        if width % channels == 0:
            return width // channels, width // channels
    raise ValueError(
        f"no rule tells the number of heads of width {width}: give the tower's configuration"
    )


def _depth_of(shapes: Shapes, width: int) -> int:
    numbers = {int(found[1]) for key in shapes if (found := _BLOCK.match(key))}
    depth = max(numbers) + 1
    gaps = sorted(set(range(depth)) - numbers)
    if gaps:
        listed = ", ".join(map(str, gaps[:5])) + (", ..." if len(gaps) > 5 else "")
        raise CheckpointError(f"the checkpoint has {depth} blocks, but block {listed} is missing")
    published = _BY_WIDTH.get(width)
    if published and published.depth != depth:
        raise CheckpointError(
            f"the checkpoint has {depth} blocks, and a tower of width {width} has"
            f" {published.depth}: fetch it again, or give the tower's configuration"
        )
    return depth


def _rows_per_frame(
    shapes: Shapes, rows: int, width: int, head: Head, frames_trained: int | None
) -> int:
    """Rows of the position table that a frame has: a square number."""
    if frames_trained is not None:
        guesses = [rows / frames_trained] if frames_trained > 0 else []
    elif _IMAGE_TABLE in shapes:
        guesses = [shapes[_IMAGE_TABLE][1] - 1]
    elif width in _BY_WIDTH and rows % 256 == 0:
        guesses = [256]
    else:
        guesses = [rows / (4 if head == "projection" else 8)]
    for guess in guesses:
        whole = int(guess)
        if whole == guess and whole > 0 and rows % whole == 0 and math.isqrt(whole) ** 2 == whole:
            return whole
    frames = "the number of frames it was trained with" if frames_trained is None else "another"
    raise ValueError(
        f"its {rows} positions are no whole number of square frames"
        f"{'' if frames_trained is None else f' when there are {frames_trained}'}: give {frames}"
    )
