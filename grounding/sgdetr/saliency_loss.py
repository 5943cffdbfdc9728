"""Saliency losses: clip labels, negative pairs, margin and rank-contrastive terms."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from grounding.sgdetr.detection_loss import mean_or_zero
from grounding.sgdetr.loss_settings import LossSettings
from grounding.sgdetr.predictions import Targets

RANKS = 11  # labels 1..11 are thresholds; 12 is the highest label
MASKED_LOGIT = -1e3
EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class SaliencyScores:
    """One kind of saliency (local or global) on own and foreign texts."""

    own: Tensor  # [B, L] logits
    foreign: Tensor | None  # [R, L] logits of the kept negative pairs, in batch order
    kept: Tensor  # bool [B], R of them True


def saliency_terms(
    scores: SaliencyScores, mask: Tensor, targets: Targets, settings: LossSettings
) -> dict[str, Tensor]:
    """Terms `saliency_bce`, `saliency_neg_pair`, `margin_saliency`, `saliency_contrastive`.

    `mask`: [B, L] 1 where there is a clip. Samples without a window count in the first two only.
    """
    present = targets.present
    return {
        "saliency_bce": _label_loss(scores.own, mask, targets.saliency),
        "saliency_neg_pair": _foreign_loss(scores, mask),
        "margin_saliency": _margin_loss(scores.own, targets, present, settings.margin),
        "saliency_contrastive": _contrastive_loss(scores, mask, targets, settings),
    }


def _label_loss(own: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    target = labels.clamp(0, 1).to(own.dtype)
    loss = F.binary_cross_entropy_with_logits(own, target, reduction="none")
    return (loss * mask).sum() / mask.sum().clamp(min=1)


def _foreign_loss(scores: SaliencyScores, mask: Tensor) -> Tensor:
    """-log(1 - sigmoid) of clips under a text that does not describe them."""
    if scores.foreign is None:
        return scores.own.sum() * 0.0
    there = mask[scores.kept]  # [R, L]
    loss = -(1 - scores.foreign.sigmoid()).clamp(min=1e-7).log()
    return (loss * there).sum() / there.sum().clamp(min=1)


def _margin_loss(own: Tensor, targets: Targets, present: Tensor, margin: float) -> Tensor:
    scores = own.sigmoid()
    high = scores.gather(1, targets.positive_clips)  # [B, pairs]
    low = scores.gather(1, targets.negative_clips)
    loss = (margin + low - high).clamp(min=0)[present]
    return 2.0 * mean_or_zero(loss.flatten())


def _contrastive_loss(
    scores: SaliencyScores, mask: Tensor, targets: Targets, settings: LossSettings
) -> Tensor:
    """Rank-contrastive term: kept rows with their foreign scores, the others alone; added.

    With exactly one row of the second kind the official code's term is 0 (its softmax runs over
    an axis of size 1).
    """
    present, kept = targets.present, scores.kept
    labels = targets.saliency.to(scores.own.dtype)
    alone = ~kept if scores.foreign is not None else torch.ones_like(kept)
    total = scores.own.sum() * 0.0
    if scores.foreign is not None:
        rows = kept & present
        foreign = scores.foreign[present[kept]]  # [r, L]
        logits = torch.cat([scores.own[rows], foreign], dim=1)  # [r, 2L]
        both = torch.cat([labels[rows], torch.zeros_like(labels[rows])], dim=1)
        there = torch.cat([mask[rows], mask[rows]], dim=1)
        total = total + _rank_contrast(logits, both, there, settings.contrast_temperature)
    if settings.lone_exclusion_counts or int(alone.sum()) > 1:
        rows = alone & present
        total = total + _rank_contrast(
            scores.own[rows], labels[rows], mask[rows], settings.contrast_temperature
        )
    return total


def _rank_contrast(logits: Tensor, labels: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """Sum over ranks of -mean log-softmax over clips labelled at least that rank, over 12.

    All [r, C]. A sample without such clips adds 0; the mean is over samples; r may be 0.
    """
    masked = torch.where(mask > 0, logits, MASKED_LOGIT) / temperature
    shifted = masked - masked.amax(dim=1, keepdim=True).detach()
    log_p = shifted - (shifted.exp().sum(dim=1, keepdim=True) + EPSILON).log()  # [r, C]
    ranks = torch.arange(1, RANKS + 1, device=labels.device)
    chosen = (labels >= ranks[:, None, None]).to(log_p.dtype)  # [11, r, C]
    sums = (chosen * (log_p * mask)).sum(dim=-1)
    means = sums / (chosen.sum(dim=-1) + EPSILON)  # [11, r]
    return -means.sum() / (RANKS + 1) / max(1, len(logits))
