"""EfficientNet-Lite0 in PyTorch: the picture backbone of `watchword-lite` (training and export).

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for CNNs" (ICML 2019), in the Lite
variant of its authors: no squeeze-and-excitation, ReLU6, stem and head not scaled. The weights
were trained in TensorFlow, hence its "SAME" padding (an odd row goes below and to the right) and
the batch norm's epsilon of 1e-3.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = 127.0 / 255.0  # of RGB in [0, 1], every channel
STD = 128.0 / 255.0
STAGES = 9  # 0 is the stem, 1..7 the inverted residuals, 8 the 1280-channel head
STAGE_CHANNELS = (32, 16, 24, 40, 80, 112, 192, 320, 1280)
STAGE_STRIDES = (2, 2, 4, 8, 16, 16, 32, 32, 32)  # of the picture, once the stage has run


@dataclass(frozen=True, slots=True)
class _StageShape:
    blocks: int
    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


_SHAPES = (
    _StageShape(1, 3, 1, 1, 32, 16),
    _StageShape(2, 3, 2, 6, 16, 24),
    _StageShape(2, 5, 2, 6, 24, 40),
    _StageShape(3, 3, 2, 6, 40, 80),
    _StageShape(3, 5, 1, 6, 80, 112),
    _StageShape(4, 5, 2, 6, 112, 192),
    _StageShape(1, 3, 1, 6, 192, 320),
)


class ConvNorm(nn.Module):
    """Convolution with TensorFlow's SAME padding, batch norm, and ReLU6 unless told otherwise."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.activate = kernel, stride, activate
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, ceil(H / stride), ceil(W / stride)]."""
        if self.stride > 1:
            x = self._pad(x)
        x = self.bn(self.conv(x))
        return F.relu6(x) if self.activate else x

    def _pad(self, x: Tensor) -> Tensor:
        sides: list[int] = []  # left, right, top, bottom
        for size in (x.shape[-1], x.shape[-2]):
            steps = -(-size // self.stride)
            total = max((steps - 1) * self.stride + self.kernel - size, 0)
            sides += [total // 2, total - total // 2]
        return F.pad(x, sides)


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter each channel, project by 1x1; added to its input where sizes agree."""

    def __init__(self, shape: _StageShape, first: bool) -> None:
        super().__init__()
        inputs = shape.inputs if first else shape.outputs
        stride = shape.stride if first else 1
        wide = inputs * shape.expansion
        self.expand = ConvNorm(inputs, wide) if shape.expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, shape.kernel, stride, groups=wide)
        self.project = ConvNorm(wide, shape.outputs, activate=False)
        self.residual = stride == 1 and inputs == shape.outputs

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Stem, seven stages of inverted residuals, 1280-channel head, ImageNet classifier."""

    def __init__(self) -> None:
        super().__init__()
        middle = [
            nn.Sequential(*(InvertedResidual(shape, j == 0) for j in range(shape.blocks)))
            for shape in _SHAPES
        ]
        self.layers = nn.ModuleList([ConvNorm(3, 32, 3, 2), *middle, ConvNorm(320, 1280)])
        self.classifier = nn.Linear(1280, 1000)

    def stages(self, x: Tensor, first: int = 0, last: int = STAGES - 1) -> Tensor:
        """Run stages `first` to `last`, both included.

        `x` is what stage `first` reads: normalised pictures [B, 3, H, W] for stage 0, else the
        result of stage `first - 1`. Returns [B, STAGE_CHANNELS[last], h, w], a picture's cell
        being STAGE_STRIDES[last] pixels wide.
        """
        for layer in self.layers[first : last + 1]:
            x = layer(x)
        return x

    def classify(self, head: Tensor) -> Tensor:
        """Logits [B, 1000] of the ImageNet classes from the head's map [B, 1280, h, w]."""
        logits: Tensor = self.classifier(head.mean(dim=(2, 3)))
        return logits

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pictures [B, 3, H, W] -> head map [B, 1280, H/32, W/32], logits [B, 1000]."""
        head = self.stages(x)
        return head, self.classify(head)

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        """Load the state dict published for EfficientNet-Lite0 (`_blocks.0._depthwise_conv...`).

        Raises RuntimeError (torch's) if a tensor is missing, left over, or of another shape.
        """
        self.load_state_dict({_own_name(name): tensor for name, tensor in state.items()})


def normalise(pixels: Tensor) -> Tensor:
    """RGB uint8 [B, H, W, 3] -> float32 [B, 3, H, W], (x - 127) / 128 as the weights were fed."""
    return (pixels.permute(0, 3, 1, 2).to(torch.float32) - MEAN * 255.0) / (STD * 255.0)


_OUTER = {
    "_conv_stem": "layers.0.conv",
    "_bn0": "layers.0.bn",
    "_conv_head": f"layers.{STAGES - 1}.conv",
    "_bn1": f"layers.{STAGES - 1}.bn",
    "_fc": "classifier",
}
_INNER = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.bn",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.bn",
    "_project_conv": "project.conv",
    "_bn2": "project.bn",
}
# Position of a published block -> "stage.block" here.
_PLACES = [f"{s}.{j}" for s, shape in enumerate(_SHAPES, 1) for j in range(shape.blocks)]


def _own_name(published: str) -> str:
    """The name of a published tensor in `EfficientNetLite0`; unknown names stay as they are."""
    inner = re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", published)
    if inner and int(inner[1]) < len(_PLACES) and inner[2] in _INNER:
        return f"layers.{_PLACES[int(inner[1])]}.{_INNER[inner[2]]}.{inner[3]}"
    module, _, leaf = published.rpartition(".")
    return f"{_OUTER[module]}.{leaf}" if module in _OUTER else published
