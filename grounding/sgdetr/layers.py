"""Small layers the network is made of, with the parameter names of the official checkpoints."""

from itertools import pairwise

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Drops a residual branch for whole samples, with probability `rate` (arXiv 1603.09382)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """`branch` [B, ...], scaled up where it is kept."""
        if not self.training or self.rate == 0.0:
            return branch
        keep = 1.0 - self.rate
        shape = (branch.shape[0],) + (1,) * (branch.dim() - 1)
        return branch * branch.new_empty(shape).bernoulli_(keep).div_(keep)


class FeedForward(nn.Module):
    """Linear -> PReLU (one shared slope) -> Dropout -> Linear."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.mapping = nn.Sequential(
            nn.Linear(width, hidden), nn.PReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> [..., width]."""
        mapped: Tensor = self.mapping(x)
        return mapped


class Perceptron(nn.Module):
    """Linear layers of the given widths with ReLU between; `zero_last` starts at zero output."""

    def __init__(self, *widths: int, zero_last: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.linear_mapper = nn.Sequential(*layers[:-1])
        self.zero_last = zero_last

    def reset_last(self) -> None:
        """Zero the last layer, if it was asked for."""
        last = self.linear_mapper[-1]
        if self.zero_last and isinstance(last, nn.Linear):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., widths[0]] -> [..., widths[-1]]."""
        mapped: Tensor = self.linear_mapper(x)
        return mapped


class _ProjectionBlock(nn.Module):
    """LayerNorm -> Dropout -> Linear (-> ReLU)."""

    def __init__(self, before: int, after: int, dropout: float, relu: bool) -> None:
        super().__init__()
        layers = [nn.LayerNorm(before), nn.Dropout(dropout), nn.Linear(before, after)]
        self.mapper = nn.Sequential(*layers, nn.ReLU() if relu else nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        mapped: Tensor = self.mapper(x)
        return mapped


class InputProjection(nn.Module):
    """Features of one modality to the network's width, in two blocks."""

    def __init__(self, features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.linear_mapper = nn.Sequential(
            _ProjectionBlock(features, width, dropout, relu=True),
            _ProjectionBlock(width, width, dropout, relu=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, L, features] -> [B, L, width]."""
        projected: Tensor = self.linear_mapper(x)
        return projected


class UnusedTextPositions(nn.Module):
    """Learned text positions: in every official checkpoint, used by none of its models."""

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        self.position_embeddings = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width)


def inverse_sigmoid(x: Tensor) -> Tensor:
    """Logit of `x`, which is kept within [.001, .999]."""
    x = x.clamp(min=0.0, max=1.0)
    return torch.log(x.clamp(min=1e-3) / (1.0 - x).clamp(min=1e-3))
