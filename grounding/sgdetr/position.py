"""Sine embeddings of clip positions and of spans."""

import math

import torch
from torch import Tensor, nn

TEMPERATURE = 10000.0


def sine(x: Tensor, width: int) -> Tensor:
    """Interleaved sine and cosine of `x` [...] at `width` / 2 frequencies: [..., width]."""
    pair = torch.arange(width // 2, dtype=torch.float32, device=x.device)
    frequency = TEMPERATURE ** (2.0 * pair / width)
    angle = x.unsqueeze(-1) / frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def span_sine(span: Tensor, width: int) -> Tensor:
    """Embedding of spans (centre, width) [..., 2]: half for the centre, half for the width."""
    return sine(span * (2.0 * math.pi), width // 2).flatten(-2)


def sample_lengths(mask: Tensor, masked: bool) -> Tensor:
    """Clips [B] (float) that a sample's fractions refer to.

    Officially the number of valid rows; in the `masked` variant the index of the last valid row
    plus one, so that a gap inside a window does not shorten it. At least 1.
    """
    if not masked:
        return mask.sum(dim=1).clamp(min=1.0)
    index = torch.arange(1, mask.shape[1] + 1, dtype=mask.dtype, device=mask.device)
    return (mask * index).amax(dim=1).clamp(min=1.0)


class ClipPositions(nn.Module):
    """Position of clip i as an angle in (0, 2 pi], embedded by sines; float32 as officially."""

    def __init__(self, width: int, masked: bool) -> None:
        super().__init__()
        self.width = width
        self.masked = masked

    def forward(self, mask: Tensor, lengths: Tensor) -> Tensor:
        """[B, L, width] for `mask` [B, L] and `lengths` [B] clips."""
        mask = mask.float()
        if self.masked:  # true positions: what follows a gap is not moved
            count = torch.arange(1, mask.shape[1] + 1, dtype=mask.dtype, device=mask.device)
            count = count.expand_as(mask)
        else:
            count = mask.cumsum(dim=1)
        angle = count / (lengths.float().unsqueeze(1) + 1e-6) * (2.0 * math.pi)
        return sine(angle, self.width)
