"""How clips are prepared for InternVideo2: the two ways in use, as embedding spaces. No torch.

Both squash into [0, 1] and normalise by ImageNet's statistics. They disagree in which frames are
taken, how pictures are resized, and in a second normalisation, so vectors of one are not the
other's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from encoder.internvideo2.config import VideoConfig
from encoder.space import EmbeddingSpace
from streamer.clip import Instants

RecipeName = Literal["evaluation", "sg-detr"]
Channels = tuple[float, float, float]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
# The extractor of SG-DETR undoes its normalisation with these for all channels, then repeats it
UNDO_MEAN, UNDO_STD = 0.45, 0.225


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way: `limit` says what a user should know of it."""

    kernel: str
    instants: Instants
    mean: Channels
    std: Channels
    limit: str


def _twice() -> tuple[Channels, Channels]:
    """Mean and deviation that do in one step what x -> (x - m) / s, x * s' + m', (x - m) / s do."""
    pairs = list(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
    red, green, blue = (mean - (UNDO_MEAN - mean) * std / UNDO_STD for mean, std in pairs)
    std_red, std_green, std_blue = (std * std / UNDO_STD for _, std in pairs)
    return (red, green, blue), (std_red, std_green, std_blue)


RECIPES: Mapping[RecipeName, Recipe] = MappingProxyType(
    {
        "evaluation": Recipe(
            kernel="bicubic-unfiltered",
            instants="middles",
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            limit="Pictures are prepared as in InternVideo2's own evaluation; official SG-DETR"
            " weights were trained on pictures prepared otherwise.",
        ),
        "sg-detr": Recipe(
            kernel="bilinear-unfiltered-crop",
            instants="starts",
            mean=_twice()[0],
            std=_twice()[1],
            limit="Only the middle square of a picture is seen. Which interpolation SG-DETR's"
            " authors used is not published: bilinear without smoothing is taken.",
        ),
    }
)


def space_of(
    recipe: RecipeName, model: str, config: VideoConfig, clip_seconds: float
) -> EmbeddingSpace:
    """The embedding space of a tower, named after `model` and the recipe."""
    way = RECIPES[recipe]
    return EmbeddingSpace(
        model=f"{model}-{recipe}",
        dims=config.joint,
        clip_seconds=clip_seconds,
        frames_per_clip=config.frames,
        width=config.image,
        height=config.image,
        kernel=way.kernel,
        mean=way.mean,
        std=way.std,
        instants=way.instants,
    )
