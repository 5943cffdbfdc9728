"""Auxiliary losses: moment tokens against sentence tokens and against clips."""

import torch
import torch.nn.functional as F
from torch import Tensor

from grounding.sgdetr.atss_loss import sigmoid_focal_loss
from grounding.sgdetr.detection_loss import mean_or_zero
from grounding.sgdetr.predictions import AuxiliaryTokens, Targets


def auxiliary_terms(tokens: AuxiliaryTokens, mask: Tensor, targets: Targets) -> dict[str, Tensor]:
    """Terms `ms_align` and `momcls`; samples without a window are left out of both.

    `mask`: [B, L] 1 where there is a clip.
    """
    present = targets.present
    return {
        "ms_align": _alignment(tokens.moment[present], tokens.sentence[present]),
        "momcls": _clip_membership(
            tokens.moment[present],
            tokens.clips[present],
            targets.relevant[present],
            mask[present],
        ),
    }


def _alignment(moment: Tensor, sentence: Tensor) -> Tensor:
    """Focal loss of the cosine matrix against identity: mean over rows, sum over columns."""
    cosine = F.normalize(moment, dim=-1) @ F.normalize(sentence, dim=-1).T  # [b, b]
    target = torch.eye(len(cosine), dtype=cosine.dtype, device=cosine.device)
    return sigmoid_focal_loss(cosine, target, alpha=0.5).sum() / max(1, len(cosine))


def _clip_membership(moment: Tensor, clips: Tensor, relevant: Tensor, mask: Tensor) -> Tensor:
    """BCE of scaled dot products moment . clip [b, L] against relevance, mean over all b * L."""
    logits = (clips @ moment.unsqueeze(-1)).squeeze(-1) / moment.shape[-1] ** 0.5
    loss = F.binary_cross_entropy_with_logits(logits, relevant.to(logits.dtype), reduction="none")
    return mean_or_zero((loss * mask).flatten())
