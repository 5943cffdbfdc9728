"""Temporal end points, which the official networks read beside a clip's features."""

import torch
from torch import Tensor

from grounding.sgdetr.position import sample_lengths


def with_end_points(video: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows as the official loader makes them: [B, L, D] and mask [B, L] -> [B, L, D + 2], ones.

    Row i of a window of n clips, its last with a 1 in `mask`, gets (i/n, (i + 1)/n). The rows that
    fill the window up to L are zero and yet count as clips: the networks were trained so, with one
    such row after 75 clips. A clip that is missing becomes such a row too; nothing else that the
    networks know says "nothing was seen here".
    """
    count = sample_lengths(mask, masked=True)[:, None]  # [B, 1] the window's own clips
    start = torch.arange(mask.shape[1], dtype=mask.dtype, device=mask.device) / count  # [B, L]
    ends = torch.stack([start, start + 1.0 / count], dim=-1)  # [B, L, 2]
    rows = torch.cat([video, ends], dim=-1) * mask.unsqueeze(-1)
    return rows, torch.ones_like(mask)


def newest_end_points(video: Tensor, clips: int) -> Tensor:
    """Clips [M, D] -> [M, D + 2], each as if it were the newest of a full window of `clips`."""
    ends = torch.tensor([(clips - 1) / clips, 1.0], dtype=video.dtype, device=video.device)
    return torch.cat([video, ends.expand(video.shape[0], 2)], dim=-1)
