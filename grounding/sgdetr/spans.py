"""Span maths on torch tensors: `cw` is (centre, width), `se` is (start, end)."""

import torch
from torch import Tensor


def cw_to_se(spans: Tensor) -> Tensor:
    """(centre, width) [..., 2] to (start, end) [..., 2].

    >>> cw_to_se(torch.tensor([[0.5, 0.5]])).tolist()
    [[0.25, 0.75]]
    """
    centre, width = spans.unbind(-1)
    return torch.stack([centre - 0.5 * width, centre + 0.5 * width], dim=-1)


def se_to_cw(spans: Tensor) -> Tensor:
    """(start, end) [..., 2] to (centre, width) [..., 2].

    >>> se_to_cw(torch.tensor([[0.25, 0.75]])).tolist()
    [[0.5, 0.5]]
    """
    start, end = spans.unbind(-1)
    return torch.stack([0.5 * (start + end), end - start], dim=-1)


def paired_iou(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and union of (start, end) spans pair by pair; shapes broadcast, the last axis is 2.

    A pair of empty spans has IoU 0.

    >>> iou, union = paired_iou(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 3.0]))
    >>> round(iou.item(), 4), union.item()
    (0.3333, 3.0)
    """
    inner = torch.minimum(first[..., 1], second[..., 1]) - torch.maximum(
        first[..., 0], second[..., 0]
    )
    inner = inner.clamp(min=0)
    union = (first[..., 1] - first[..., 0]) + (second[..., 1] - second[..., 0]) - inner
    return inner / union.clamp(min=torch.finfo(union.dtype).tiny), union


def paired_giou(first: Tensor, second: Tensor) -> Tensor:
    """Generalised IoU pair by pair: IoU minus the share of the hull that neither span covers.

    >>> paired_giou(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 4.0])).item()
    -0.25
    """
    iou, union = paired_iou(first, second)
    hull = torch.maximum(first[..., 1], second[..., 1]) - torch.minimum(
        first[..., 0], second[..., 0]
    )
    return iou - (hull - union) / hull.clamp(min=torch.finfo(hull.dtype).tiny)


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of every span of `first` [..., n, 2] with every one of `second` [..., m, 2]: [n, m].

    >>> pairwise_iou(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0], [1.0, 2.0]])).tolist()
    [[1.0, 0.0]]
    """
    return paired_iou(first.unsqueeze(-2), second.unsqueeze(-3))[0]


def pairwise_giou(first: Tensor, second: Tensor) -> Tensor:
    """Generalised IoU of every span of `first` [..., n, 2] with every one of `second`: [n, m].

    >>> pairwise_giou(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0]])).tolist()
    [[1.0]]
    """
    return paired_giou(first.unsqueeze(-2), second.unsqueeze(-3))
