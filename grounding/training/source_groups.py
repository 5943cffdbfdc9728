"""Source groups that only pictures can tell: one camera, one room, copies of one photo."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from grounding.training.footage import Footage
from grounding.training.pictures import Pixels, clusters, thumbnail

Item = tuple[Footage, Pixels]


def grouped(
    items: list[Item], source: str, similarity: float, first_frame: bool = False
) -> Iterator[Item]:
    """Items with their group filled in: clips whose backgrounds look the same are one group."""
    backgrounds = [thumbnail(frames[:1] if first_frame else frames) for _, frames in items]
    labels = clusters(np.stack(backgrounds), similarity) if items else []
    for (footage, frames), label in zip(items, labels, strict=True):
        yield replace(footage, group=f"{source}/{label:03d}"), frames
