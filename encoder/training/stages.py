"""Parts of the backbone run in ONNX Runtime: five times as fast as PyTorch on a CPU."""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoder.efficientnet import EfficientNetLite0, normalise
from encoder.session import Session, open_session
from encoder.training.towers import FrameHead, TextHead


class BackboneStages(nn.Module):
    """Pictures uint8 [B, H, W, 3] -> the map of one stage [B, C, h, w]."""

    def __init__(self, backbone: EfficientNetLite0, last: int) -> None:
        super().__init__()
        self.backbone, self.last = backbone, last

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> [B, C, h, w]."""
        return self.backbone.stages(normalise(pixels), 0, self.last)


class FrameFeatures(nn.Module):
    """Pictures -> what the clip vector is made of: frame vectors and stage-7 maps."""

    def __init__(self, backbone: EfficientNetLite0, frames: FrameHead, text: TextHead) -> None:
        super().__init__()
        self.backbone, self.frames, self.text = backbone, frames, text

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [B, H, W, 3] -> vectors [B, D], maps [B, 320, h, w]."""
        maps = self.backbone.stages(normalise(pixels), 0, 7)
        head = self.backbone.stages(maps, 8, 8)
        return self.frames(head, self.backbone.classify(head), self.text), maps


def open_module(module: nn.Module, outputs: tuple[str, ...]) -> Session:
    """A session of a module that reads `pixels` uint8 [B, H, W, 3]."""
    sample = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.onnx"
        with warnings.catch_warnings():
            # The tracing exporter is deprecated, yet the only one that leaves H and W free here.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(),
                (sample,),
                str(path),
                dynamo=False,
                opset_version=17,
                input_names=["pixels"],
                output_names=list(outputs),
                dynamic_axes={"pixels": {0: "batch", 1: "height", 2: "width"}},
            )
        return open_session(path)


def run_batches(
    session: Session, pixels: NDArray[np.uint8], batch: int = 32
) -> Iterator[tuple[slice, dict[str, NDArray[np.float32]]]]:
    """Outputs for rows of `pixels` [N, H, W, 3], a slice of rows at a time."""
    for start in range(0, len(pixels), batch):
        rows = slice(start, min(start + batch, len(pixels)))
        yield rows, session.run({"pixels": np.ascontiguousarray(pixels[rows])})
