"""The auxiliary dense head (ATSS): a class, a box and a centerness at every pyramid position."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.sgdetr.anchors import SIZES
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.pyramid import ChannelNorm


class _Indexed(nn.Module):
    """Layers whose official indices start at 1 (index 0 has no parameters)."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)


class Tower(_Indexed):
    """Three times [convolution of three taps -> norm over channels -> ReLU]."""

    def __init__(self, width: int, depth: int) -> None:
        layers: list[nn.Module] = []
        for _ in range(depth):
            convolution = nn.Conv1d(width, width, 3, padding=1, bias=False)
            layers += [nn.Identity(), convolution, ChannelNorm(width), nn.ReLU()]
        super().__init__(layers)

    def forward(self, rows: Tensor, keep: Tensor) -> Tensor:
        """`rows` [B, T, d]; `keep` [B, T, 1] is 0 on rows that convolutions must see as zero."""
        for layer in self.layers:
            convolution = isinstance(layer, nn.Conv1d)
            rows = convolve(layer, rows * keep) if convolution else layer(rows)
        return rows


class Output(_Indexed):
    """A convolution to `channels` numbers a row."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__([nn.Identity(), nn.Conv1d(width, channels, 3, padding=1)])

    @property
    def convolution(self) -> nn.Conv1d:
        """The one layer with parameters."""
        layer = self.layers[1]
        assert isinstance(layer, nn.Conv1d)
        return layer

    def forward(self, rows: Tensor) -> Tensor:
        """[B, T, d] -> [B, T, channels]."""
        return convolve(self.convolution, rows)


class LevelScale(nn.Module):
    """A learned factor on one level's boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


class ClassificationHead(nn.Module):
    """Is a window centred here."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.stem = Tower(config.width, config.tower_layers)
        self.cls_logits = Output(config.width, 1)


class RegressionHead(nn.Module):
    """Where it starts and ends, and how central this position is in it."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.stem = Tower(config.width, config.tower_layers)
        self.bbox_reg = Output(config.width, 2)
        self.bbox_ctrness = Output(config.width, 1)
        self.scales = nn.ModuleList(LevelScale() for _ in SIZES)


class AnchorGenerator(nn.Module):
    """Holds the cell anchors of official checkpoints, float64: they are checked, not learned."""

    def __init__(self) -> None:
        super().__init__()
        self.cell_anchors = nn.Module()
        for level, size in enumerate(SIZES):
            cell = torch.tensor([[-(size - 1.0) / 2.0, (size - 1.0) / 2.0]], dtype=torch.float64)
            self.cell_anchors.register_buffer(str(level), cell)


class AtssHead(nn.Module):
    """Two towers shared by all levels, run once over the levels laid end to end.

    Between two levels stands one zero row, which is what a convolution finds beyond a level's
    end; T = P + 3 rows.
    """

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.anchor_generator = AnchorGenerator()
        self.classification_head = ClassificationHead(config)
        self.regression_head = RegressionHead(config)

    def forward(
        self, levels: tuple[Tensor, ...], masks: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Label [B, P], box [B, P, 2] and centerness [B, P] of `levels`, each [B, l, d].

        `masks` [B, l] zero rows without a clip before every convolution (masked variant).
        """
        if masks is None:
            masks = tuple(level.new_ones(1, level.shape[1]) for level in levels)
        rows = apart(levels)
        keep = apart(tuple(mask.unsqueeze(-1) for mask in masks))
        lengths = [level.shape[1] for level in levels]
        seen = self.classification_head.stem(rows, keep) * keep
        label = self.classification_head.cls_logits(seen)
        regression = self.regression_head
        seen = regression.stem(rows, keep) * keep
        centerness = regression.bbox_ctrness(seen)
        boxes = together(regression.bbox_reg(seen), lengths)
        scales = regression.scales.parameters()  # one of [1] per level
        scaled = [box * scale for box, scale in zip(boxes, scales, strict=True)]
        flat = [torch.cat(together(x, lengths), dim=1).squeeze(-1) for x in (label, centerness)]
        return flat[0], torch.cat(scaled, dim=1), flat[1]


def convolve(convolution: nn.Module, rows: Tensor) -> Tensor:
    """A convolution over the middle axis of `rows` [B, T, d]."""
    out: Tensor = convolution(rows.transpose(1, 2))
    return out.transpose(1, 2)


def apart(levels: tuple[Tensor, ...]) -> Tensor:
    """The levels [B, l, d] end to end with one zero row after each but the last."""
    spaced = [F.pad(level, (0, 0, 0, 1)) for level in levels[:-1]]
    return torch.cat([*spaced, levels[-1]], dim=1)


def together(rows: Tensor, lengths: list[int]) -> list[Tensor]:
    """Undo `apart`: the levels' rows [B, l, d]."""
    start = 0
    levels = []
    for length in lengths:
        levels.append(rows[:, start : start + length])
        start += length + 1
    return levels
