"""The feature pyramid: four temporal scales made of depthwise separable convolutions.

Rows stay in [B, length, channels]. In the masked variant rows without a clip are zeroed before
every convolution, so that nothing leaks out of padding or gaps; the official network does not.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Separable(nn.Module):
    """Depthwise convolution of three taps, then a pointwise one; no biases."""

    def __init__(self, width: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv1d(width, width, 3, stride, padding=1, groups=width, bias=False)
        self.pointwise = nn.Conv1d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, l, d] -> [B, l / stride, d]."""
        taps = self.depthwise.weight[:, 0].unbind(-1)  # three of [d]
        if self.stride == 2:  # l is even: row j reads rows 2j - 1, 2j, 2j + 1
            even, odd = x[:, 0::2], x[:, 1::2]
            before = F.pad(odd[:, :-1], (0, 0, 1, 0))
            mixed = before * taps[0] + even * taps[1] + odd * taps[2]
        else:
            before = F.pad(x[:, :-1], (0, 0, 1, 0))
            after = F.pad(x[:, 1:], (0, 0, 0, 1))
            mixed = before * taps[0] + x * taps[1] + after * taps[2]
        return F.linear(mixed, self.pointwise.weight[:, :, 0])


class ChannelNorm(nn.Module):
    """LayerNorm over channels, under its official name."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, l, d] -> [B, l, d]."""
        normed: Tensor = self.norm(x)
        return normed


class Double(nn.Module):
    """Repeats every row: nearest-neighbour upsampling by two."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, l, d] -> [B, 2 l, d]."""
        return x.unsqueeze(2).expand(-1, -1, 2, -1).flatten(1, 2)


def _stage(width: int, stride: int = 1) -> list[nn.Module]:
    first = [Separable(width, stride), ChannelNorm(width), nn.GELU()]
    return [*first, Separable(width), ChannelNorm(width)]


class FeaturePyramid(nn.Module):
    """Levels of 2L, L, L/2 and L/4 rows; the last is made from the one before, none top-down."""

    def __init__(self, width: int, masked: bool) -> None:
        super().__init__()
        self.masked = masked
        self.upscale = nn.ModuleList([Double(), *_stage(width)])
        self.level0 = nn.ModuleList(_stage(width))
        self.level1 = nn.ModuleList(_stage(width, stride=2))
        self.level2 = nn.ModuleList([nn.GELU(), *_stage(width, stride=2)])

    def forward(self, memory: Tensor, masks: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """`memory` [B, L, d], `masks` of the four levels -> four levels, finest first."""
        double, single, half, quarter = masks
        up = self._run(self.upscale, memory, (double, double))
        level = self._run(self.level0, memory, (single, single))
        lower = self._run(self.level1, memory, (single, half))
        return up, level, lower, self._run(self.level2, lower, (half, quarter))

    def _run(self, stage: nn.ModuleList, x: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
        """Run a stage; `masks` are those of its two convolutions' inputs."""
        waiting = list(masks)
        for layer in stage:
            if isinstance(layer, Separable) and self.masked:
                x = x * waiting.pop(0).unsqueeze(-1)
            x = layer(x)
        return x * masks[1].unsqueeze(-1) if self.masked else x


def level_masks(mask: Tensor) -> tuple[Tensor, ...]:
    """Masks of the four levels for clips' `mask` [B, L]; a coarse row is valid if any clip is."""
    double = mask.unsqueeze(-1).expand(-1, -1, 2).flatten(1)
    half = torch.maximum(mask[:, 0::2], mask[:, 1::2])
    quarter = torch.maximum(half[:, 0::2], half[:, 1::2])
    return double, mask, half, quarter


def join_levels(levels: tuple[Tensor, ...]) -> Tensor:
    """One sequence [B, P, ...] of the levels, finest first."""
    return torch.cat(levels, dim=1)
