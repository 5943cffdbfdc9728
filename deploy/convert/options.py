"""What `watchword bundles convert` was asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Precision = Literal["bf16", "fp16", "fp32"]
RecipeChoice = Literal["evaluation", "sg-detr"]


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """Files and choices; None leaves a choice to the checkpoints."""

    internvideo2: Path
    sg_detr: Path
    out: Path
    delta: Path | None = None
    text: Path | None = None
    tokenizer: Path | None = None
    variant: str | None = None  # of SG-DETR
    name: str | None = None  # of the bundle; the folder's unless given
    frames: int | None = None  # a clip
    precision: Precision = "bf16"  # of the graph for TensorRT
    recipe: RecipeChoice = "sg-detr"
