"""Losses of the DETR head, of the selector's proposals and of the collaborative queries."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from grounding.sgdetr.loss_settings import LossSettings
from grounding.sgdetr.matcher import Matches, match
from grounding.sgdetr.predictions import CollabOutputs, QueryOutputs
from grounding.sgdetr.spans import cw_to_se, paired_giou, paired_iou


def detection_terms(
    layers: Sequence[QueryOutputs], spans: Sequence[Tensor], settings: LossSettings
) -> dict[str, Tensor]:
    """Span, gIoU, label and quality terms, each a vector [K] with one value per layer.

    `layers`: K answers for the same samples; `spans`: per sample [n_b, 2], n_b may be 0.
    """
    label = torch.stack([layer.label for layer in layers])  # [K, B, Q]
    quality = torch.stack([layer.quality for layer in layers])  # [K, B, Q]
    span = torch.stack([layer.span for layer in layers])  # [K, B, Q, 2]
    pairs = match(label, quality, span, spans, settings.costs)
    found = span[pairs.layer, pairs.sample, pairs.query]  # [M, 2]
    iou, giou = _overlaps(found, pairs.truth)
    asked = quality[pairs.layer, pairs.sample, pairs.query]  # [M]
    sure = F.binary_cross_entropy_with_logits(asked, iou.detach(), reduction="none")
    distance = F.smooth_l1_loss(found, pairs.truth, reduction="none").mean(dim=-1)
    return {
        "span": _mean_by_layer(distance, pairs, len(layers)),
        "giou": _mean_by_layer(1 - giou, pairs, len(layers)),
        "label": _label_loss(label, pairs, spans, settings),
        "quality": _mean_by_layer(sure, pairs, len(layers)),
    }


def collab_terms(collab: CollabOutputs, present: Tensor) -> dict[str, Tensor]:
    """Span (L1 on start and end), gIoU and label terms, each [K]; K layers.

    `present`: bool [B]; the queries of samples without a window do not count.
    """
    label = torch.stack([layer.label for layer in collab.layers])  # [K, B, Q]
    span = torch.stack([layer.span for layer in collab.layers])  # [K, B, Q, 2]
    used = collab.used & present.unsqueeze(-1)  # [B, Q]
    positive = collab.positive & used
    found, truth = span[:, positive], collab.truth[positive].to(span.dtype)  # [K, M, 2], [M, 2]
    distance = (cw_to_se(found) - cw_to_se(truth)).abs().mean(dim=-1)  # [K, M]
    _, giou = _overlaps(found, truth)
    target = positive[used].to(label.dtype).expand(len(label), -1)
    sure = F.binary_cross_entropy_with_logits(label[:, used], target, reduction="none")
    return {
        "span": mean_or_zero(distance),
        "giou": mean_or_zero(1 - giou),
        "label": mean_or_zero(sure),
    }


def mean_or_zero(values: Tensor) -> Tensor:
    """Mean over the last axis, 0 where there is nothing to average; keeps the graph."""
    return values.sum(dim=-1) / max(1, values.shape[-1])


def _overlaps(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    first, second = cw_to_se(found), cw_to_se(truth)
    return paired_iou(first, second)[0], paired_giou(first, second)


def _mean_by_layer(values: Tensor, pairs: Matches, layers: int) -> Tensor:
    """Mean over a layer's matched pairs: [K] of `values` [M]; 0 without a pair."""
    sums = values.new_zeros(layers).index_add(0, pairs.layer, values)
    counts = torch.bincount(pairs.layer, minlength=layers).clamp(min=1)
    return sums / counts


def _label_loss(
    label: Tensor, pairs: Matches, spans: Sequence[Tensor], settings: LossSettings
) -> Tensor:
    """BCE over all queries [K]; unmatched ones weigh less, unless the sample has no window."""
    present = torch.tensor([len(windows) > 0 for windows in spans], device=label.device)
    quiet = torch.where(present, settings.background, settings.absent_background)  # [B]
    weight = quiet.to(label.dtype)[:, None].expand(label.shape).clone()  # [K, B, Q]
    target = torch.zeros_like(label)
    target[pairs.layer, pairs.sample, pairs.query] = 1.0
    weight[pairs.layer, pairs.sample, pairs.query] = 1.0
    loss = F.binary_cross_entropy_with_logits(label, target, weight, reduction="none")
    return loss.mean(dim=(1, 2))
