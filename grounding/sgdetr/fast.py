"""The same network in forms that ONNX Runtime's CPU kernels run faster; values do not change."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.sgdetr.atss_head import Tower
from grounding.sgdetr.layers import FeedForward
from grounding.sgdetr.model import SGDETR


class FlatNorm(nn.Module):
    """A LayerNorm over rows of one flat matrix.

    Between a residual sum and a LayerNorm of three axes ONNX Runtime builds SkipLayerNormalization,
    which is several times slower on a CPU than the two apart; a reshape between them prevents it.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """[..., d] -> [..., d]."""
        normed: Tensor = self.norm(x.reshape(-1, x.shape[-1]))
        return normed.reshape(x.shape)


class LeakyFeedForward(nn.Module):
    """A feed-forward block whose PReLU is LeakyReLU with the learned slope as a constant."""

    def __init__(self, block: FeedForward) -> None:
        super().__init__()
        self.first = block.mapping.get_submodule("0")
        self.second = block.mapping.get_submodule("3")
        self.slope = float(block.mapping.get_parameter("1.weight").detach())

    def forward(self, x: Tensor) -> Tensor:
        """[..., d] -> [..., d]."""
        out: Tensor = self.second(F.leaky_relu(self.first(x), self.slope))
        return out


class WinogradConvolution(nn.Module):
    """A convolution of three taps by Winograd's F(2, 3): two outputs from four products, not six.

    Rows stay in [B, T, d], so that each product is one matrix product without a transpose.
    """

    def __init__(self, convolution: nn.Conv1d) -> None:
        super().__init__()
        before, middle, after = convolution.weight.detach().permute(2, 1, 0)  # each [in, out]
        both = (before + after) / 2.0
        products = torch.stack([before, both + middle / 2.0, both - middle / 2.0, after])
        self.products = nn.Parameter(products, requires_grad=False)  # [4, in, out]

    def forward(self, rows: Tensor) -> Tensor:
        """[B, T, d] -> [B, T, d] for an even T."""
        pairs = rows.reshape(
            rows.shape[0], rows.shape[1] // 2, 2, rows.shape[2]
        )  # [B, T / 2, 2, d]
        even, odd = pairs[:, :, 0], pairs[:, :, 1]
        before = F.pad(odd[:, :-1], (0, 0, 1, 0))
        after = F.pad(even[:, 1:], (0, 0, 0, 1))
        first = (before - odd) @ self.products[0]
        second = (even + odd) @ self.products[1]
        third = (odd - even) @ self.products[2]
        fourth = (even - after) @ self.products[3]
        out = torch.stack([first + second + third, second - third - fourth], dim=2)
        return out.reshape(rows.shape)


class WinogradTower(nn.Module):
    """An ATSS tower of such convolutions."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            WinogradConvolution(layer) if isinstance(layer, nn.Conv1d) else layer
            for layer in tower.layers
        )

    def forward(self, rows: Tensor, keep: Tensor) -> Tensor:
        """As `Tower`: `rows` [B, T, d], `keep` [B, T, 1]."""
        length = rows.shape[1]
        rows = F.pad(rows, (0, 0, 0, length % 2))  # an odd length gets one more zero row
        keep = F.pad(keep, (0, 0, 0, length % 2))
        for layer in self.layers:
            rows = layer(rows * keep) if isinstance(layer, WinogradConvolution) else layer(rows)
        return rows[:, :length]


def for_runtime(model: SGDETR) -> SGDETR:
    """A copy of `model`, in evaluation mode, with those forms in place of the plain ones."""
    model = copy.deepcopy(model).eval()
    _replace(model)
    return model


def _replace(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, Tower):
            child = WinogradTower(child)
            module.register_module(name, child)
        if isinstance(child, nn.LayerNorm):
            module.register_module(name, FlatNorm(child))
        elif isinstance(child, FeedForward):
            module.register_module(name, LeakyFeedForward(child))
        else:
            _replace(child)
