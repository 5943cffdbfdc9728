"""Position tables for other numbers of frames and other picture sizes than the trained ones."""

import torch
import torch.nn.functional as F
from torch import Tensor

from encoder.internvideo2.config import VideoConfig


def resized(table: Tensor, trained: VideoConfig, wanted: VideoConfig) -> Tensor:
    """`pos_embed` [1, 1 + T * h * w, D] of `trained` for the frames and pictures of `wanted`.

    The first row, the whole clip's, stays. The others are stretched linearly over time, then
    bicubically over space, as the official code does (without aligned corners). In float32.
    """
    whole, rows = table[:, :1].float(), table[:, 1:].float()
    width = rows.shape[2]
    if trained.frames != wanted.frames:
        lines = rows.view(trained.frames, -1, width).permute(1, 2, 0)  # [h * w, D, T]
        lines = F.interpolate(lines, size=wanted.frames, mode="linear", align_corners=False)
        rows = lines.permute(2, 0, 1).reshape(1, -1, width)
    return torch.cat([whole, _resized_frames(rows, trained, wanted)], dim=1)


def resized_image_table(table: Tensor, trained: VideoConfig, wanted: VideoConfig) -> Tensor:
    """`img_pos_embed` [1, 1 + h * w, D] for the pictures of `wanted`, as `resized`."""
    rows = _resized_frames(table[:, 1:].float(), trained, wanted)
    return torch.cat([table[:, :1].float(), rows], dim=1)


def image_table(table: Tensor, frames: int) -> Tensor:
    """Positions of a clip of one frame where it has no table of its own: the mean over frames.

    [1, 1 + T * h * w, D] -> [1, 1 + h * w, D].
    """
    rows = table[:, 1:].reshape(1, frames, -1, table.shape[2]).mean(dim=1)
    return torch.cat([table[:, :1], rows], dim=1)


def _resized_frames(rows: Tensor, trained: VideoConfig, wanted: VideoConfig) -> Tensor:
    """[1, T * h * w, D] to another grid, frame by frame."""
    if trained.grid == wanted.grid:
        return rows
    width = rows.shape[2]
    maps = rows.view(-1, trained.grid, trained.grid, width).permute(0, 3, 1, 2)  # [T, D, h, w]
    size = (wanted.grid, wanted.grid)
    maps = F.interpolate(maps, size=size, mode="bicubic", align_corners=False)
    return maps.permute(0, 2, 3, 1).reshape(1, -1, width)
