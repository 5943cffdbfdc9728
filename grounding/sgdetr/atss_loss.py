"""Losses of the ATSS head: focal label, gIoU, smooth L1 and centerness."""

import torch
import torch.nn.functional as F
from torch import Tensor

from grounding.sgdetr.atss import Assignment, decode
from grounding.sgdetr.predictions import AtssOutputs
from grounding.sgdetr.spans import paired_giou


def atss_terms(outputs: AtssOutputs, assignment: Assignment) -> dict[str, Tensor]:
    """Label, gIoU, span and centerness terms, scalars.

    Label: focal loss over all valid positions, divided by the number of positives (at least 1);
    gIoU and span: in clip units, weighted by the centerness target. A batch without a positive
    has zero for all but the label term.
    """
    positive = assignment.positive & outputs.valid  # [B, P]
    count = positive.sum().clamp(min=1)
    focal = sigmoid_focal_loss(outputs.label, positive.to(outputs.label.dtype), alpha=0.25)
    boxes = decode(outputs.anchors.expand(*positive.shape, 2)[positive], outputs.box[positive])
    truth = assignment.boxes[positive]  # [M, 2]
    weight = assignment.centerness[positive]  # [M]
    total = weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)
    distance = F.smooth_l1_loss(boxes, truth.to(boxes.dtype), reduction="none").sum(dim=-1)
    sure = F.binary_cross_entropy_with_logits(
        outputs.centerness[positive], weight.to(outputs.centerness.dtype), reduction="sum"
    )
    dtype = outputs.label.dtype
    return {
        "label": (focal * outputs.valid).sum() / count,
        "giou": ((weight * (1 - paired_giou(boxes, truth))).sum() / total).to(dtype),
        "span": ((weight * distance).sum() / total).to(dtype),
        "ctrness": sure / count,
    }


def sigmoid_focal_loss(logits: Tensor, targets: Tensor, alpha: float, gamma: float = 2.0) -> Tensor:
    """Focal loss (arXiv 1708.02002) element by element, in the shape of `logits`."""
    plain = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    miss = p * (1 - targets) + (1 - p) * targets
    balance = alpha * targets + (1 - alpha) * (1 - targets)
    return balance * miss**gamma * plain
