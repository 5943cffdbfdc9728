"""ATSS anchors, box coder and assignment in one dimension (units of two-second clips)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from grounding.sgdetr.anchors import (
    CENTRE_WEIGHT,
    MAX_LOG_WIDTH,
    UNIT_SECONDS,
    WIDTH_WEIGHT,
    anchor_boxes,
)
from grounding.sgdetr.spans import cw_to_se, pairwise_iou

INSIDE = 1e-7  # a centre must lie this far inside a window


@dataclass(frozen=True, slots=True)
class AtssSettings:
    """How ground truth reaches the ATSS head.

    `top_k` candidates per level and window (12; Charades-STA 18). `truncate` reproduces the
    official code, which cuts windows to whole seconds after a float32 round trip and so loses a
    second in a quarter of QVHighlights' windows; our own training does not.
    `mask_padding` keeps padded positions out of the assignment and the loss; the official code
    does not.
    """

    top_k: int = 12
    truncate: bool = False
    mask_padding: bool = False
    unit_seconds: float = UNIT_SECONDS


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which anchors are responsible for which windows; P is the sum over levels."""

    positive: Tensor  # bool [B, P]
    boxes: Tensor  # float64 [B, P, 2] matched window (start, end), clip units; 0 if negative
    centerness: Tensor  # float64 [B, P] min(l, r) / max(l, r); 0 where negative


def level_anchors(lengths: Sequence[int]) -> list[Tensor]:
    """Anchors (start, end) in clip units, float64 [P_l, 2] per level of `lengths` positions."""
    return [torch.from_numpy(boxes) for boxes in anchor_boxes(lengths)]


def decode(anchors: Tensor, deltas: Tensor) -> Tensor:
    """Boxes (start, end) in clip units from `deltas` (dx, dw) [..., P, 2] at `anchors` [P, 2]."""
    width = anchors[..., 1] - anchors[..., 0] + 1.0
    centre = 0.5 * (anchors[..., 1] + anchors[..., 0])
    new_centre = deltas[..., 0] / CENTRE_WEIGHT * width + centre
    new_width = torch.exp((deltas[..., 1] / WIDTH_WEIGHT).clamp(max=MAX_LOG_WIDTH)) * width
    half = 0.5 * (new_width - 1.0)
    return torch.stack([new_centre - half, new_centre + half], dim=-1)


def encode(anchors: Tensor, boxes: Tensor) -> Tensor:
    """Inverse of `decode`: (dx, dw) [..., P, 2] of `boxes` (start, end) [..., P, 2]."""
    width = anchors[..., 1] - anchors[..., 0] + 1.0
    centre = 0.5 * (anchors[..., 1] + anchors[..., 0])
    shift = 0.5 * (boxes[..., 1] + boxes[..., 0]) - centre
    growth = (boxes[..., 1] - boxes[..., 0] + 1.0) / width
    return torch.stack([CENTRE_WEIGHT * shift / width, WIDTH_WEIGHT * torch.log(growth)], dim=-1)


def truth_units(spans: Tensor, duration: float, settings: AtssSettings) -> Tensor:
    """Windows (start, end) in clip units, float32 [n, 2], of `spans` (c, w) [n, 2] in [0, 1]."""
    seconds = cw_to_se(spans.float()) * duration
    if settings.truncate:
        seconds = seconds.trunc()
    return seconds / settings.unit_seconds


def assign(
    anchors: Sequence[Tensor],
    truths: Sequence[Tensor],
    top_k: int,
    valid: Tensor | None = None,
) -> Assignment:
    """Adaptive assignment (arXiv 1912.02424) in one dimension.

    `anchors`: [P_l, 2] per level; `truths`: windows [n_b, 2] in clip units per sample, n_b may be
    0; `valid`: bool [B, P], positions that may become positive (all if None).
    Per window and level the `top_k` nearest centres are candidates; those whose IoU reaches the
    mean plus the standard deviation of the candidates' IoUs, and whose centre lies inside the
    window, are positive. An anchor with several windows takes the one of highest IoU.
    """
    boxes, real = _stack(truths, anchors[0].device)  # [B, n, 2], [B, n]
    flat = torch.cat(list(anchors))  # [P, 2]
    centre = flat.mean(dim=-1)  # [P]
    if valid is None:
        valid = torch.ones(len(truths), len(flat), dtype=torch.bool, device=flat.device)
    iou = pairwise_iou(boxes, flat)  # [B, n, P]
    candidate = _candidates(centre, boxes, [len(level) for level in anchors], top_k, valid)
    threshold = _mean_plus_deviation(iou, candidate)  # [B, n, 1]
    left = centre - boxes[..., :1]  # [B, n, P]
    right = boxes[..., 1:] - centre
    inside = torch.minimum(left, right) > INSIDE
    chosen = candidate & (iou >= threshold) & inside & real.unsqueeze(-1)
    score, owner = iou.masked_fill(~chosen, -1.0).max(dim=1)  # [B, P]
    positive = score >= 0
    matched = torch.gather(boxes, 1, owner.unsqueeze(-1).expand(-1, -1, 2))  # [B, P, 2]
    matched = torch.where(positive.unsqueeze(-1), matched, 0.0)
    return Assignment(positive, matched, _centerness(centre, matched, positive))


def _stack(truths: Sequence[Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pad the samples' windows to one tensor [B, n, 2] (n >= 1) and say which rows are real."""
    most = max([len(windows) for windows in truths] + [1])
    boxes = torch.zeros(len(truths), most, 2, dtype=torch.float64, device=device)
    real = torch.zeros(len(truths), most, dtype=torch.bool, device=device)
    for row, windows in enumerate(truths):
        boxes[row, : len(windows)] = windows.to(boxes)
        real[row, : len(windows)] = True
    return boxes, real


def _candidates(
    centre: Tensor, boxes: Tensor, lengths: Sequence[int], top_k: int, allowed: Tensor
) -> Tensor:
    """Bool [B, n, P]: the `top_k` allowed positions of each level nearest to a window's centre.

    Of two equally far ones the earlier is taken, on every device and with every build of torch.
    """
    distance = (centre - boxes.mean(dim=-1, keepdim=True)).abs()  # [B, n, P]
    distance = distance.masked_fill(~allowed.unsqueeze(1), torch.inf)
    levels = []
    for level in torch.split(distance, list(lengths), dim=-1):
        near, order = level.sort(dim=-1, stable=True)
        chosen = torch.zeros_like(level, dtype=torch.bool)
        levels.append(chosen.scatter(-1, order[..., :top_k], near[..., :top_k].isfinite()))
    return torch.cat(levels, dim=-1)


def _mean_plus_deviation(iou: Tensor, candidate: Tensor) -> Tensor:
    """Mean plus unbiased standard deviation of the candidates' IoUs: [B, n, 1]."""
    count = candidate.sum(dim=-1, keepdim=True)
    mean = (iou * candidate).sum(dim=-1, keepdim=True) / count.clamp(min=1)
    squares = ((iou - mean).square() * candidate).sum(dim=-1, keepdim=True)
    return mean + (squares / (count - 1).clamp(min=1)).sqrt()


def _centerness(centre: Tensor, boxes: Tensor, positive: Tensor) -> Tensor:
    """min(l, r) / max(l, r) of a centre's distances to its window's ends, without square root."""
    left = centre - boxes[..., 0]
    right = boxes[..., 1] - centre
    ratio = torch.minimum(left, right) / torch.maximum(left, right).clamp(min=INSIDE)
    return torch.where(positive, ratio, 0.0)
