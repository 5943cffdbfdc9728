"""Where the decoder's queries come from: the pyramid's best proposals, or learned anchors."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.layers import Perceptron
from grounding.sgdetr.predictions import QueryOutputs

WIDTHS = (0.05, 0.2, 0.4, 0.85)  # of a level's proposals
CLIPS = (0.5, 1.0, 2.0, 4.0)  # clips between two proposals of a level
EDGE = 0.0125  # a proposal's centre and width stay this far from 0 and 1


@dataclass(frozen=True, slots=True)
class Scored:
    """Every position's proposal, scored; P positions."""

    memory: Tensor  # [B, P, d] content a query would start from
    valid: Tensor  # bool [B, P]
    proposal: Tensor  # [B, P, 2] logit of (centre, width); +inf if invalid
    label: Tensor  # [B, P] logits
    quality: Tensor  # [B, P] logits
    rank: Tensor  # [B, P] sqrt(p * IoU); -inf if invalid


@dataclass(frozen=True, slots=True)
class Queries:
    """What the decoder starts from."""

    content: Tensor  # [B, Q, d]
    reference: Tensor  # [B, Q, 2] (centre, width) in [0, 1]
    valid: Tensor  # bool [B, Q]
    encoder: QueryOutputs | None  # the selected proposals, to be supervised


def proposals(masks: tuple[Tensor, ...], lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """Logits [B, P, 2] of the pyramid's proposals and whether each is valid, bool [B, P].

    Position i of a level has its centre at (i + .5) of as many steps as the level has valid
    positions, or as fit into `lengths` [B] clips if these are given, and the level's width.
    An invalid one is at +inf. Float32 as officially.
    """
    spans = []
    for mask, step, width in zip(masks, CLIPS, WIDTHS, strict=True):
        index = torch.arange(mask.shape[1], dtype=torch.float32, device=mask.device)
        steps = mask.float().sum(dim=1) if lengths is None else lengths.float() / step  # [B]
        centre = (index + 0.5) / steps.clamp(min=EDGE).unsqueeze(1)
        spans.append(torch.stack([centre, torch.full_like(centre, width)], dim=-1))
    span = torch.cat(spans, dim=1)  # [B, P, 2]
    inside = ((span > EDGE) & (span < 1.0 - EDGE)).all(dim=-1)
    valid = inside & (torch.cat(masks, dim=1) > 0.5)
    logit = torch.log(span / (1.0 - span))
    return torch.where(valid.unsqueeze(-1), logit, math.inf), valid


class QuerySelector(nn.Module):
    """Scores every position of the pyramid and keeps the best as queries."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        width = config.width
        self.queries = config.queries
        self.masked = config.masked
        self.enc_output = nn.Linear(width, width)
        self.enc_output_norm = nn.LayerNorm(width)
        self.enc_out_span_embed = Perceptron(width, width, width, 2, zero_last=True)
        self.enc_out_class_embed = nn.Linear(width, 1)
        self.enc_out_iou_embed = nn.Linear(width, 1)

    def forward(
        self, levels: tuple[Tensor, ...], masks: tuple[Tensor, ...], lengths: Tensor
    ) -> Queries:
        """`levels` four of [B, l, d] with `masks` [B, l]; `lengths` [B] clips."""
        proposal, valid = proposals(masks, lengths if self.masked else None)
        scored = self.score(torch.cat(levels, dim=1), proposal, valid)
        # Ranking carries no gradient: it only chooses.
        best = scored.rank.detach().topk(self.queries, dim=1).indices  # [B, Q]
        pair = best.unsqueeze(-1).expand(-1, -1, 2)
        row = best.unsqueeze(-1).expand(-1, -1, scored.memory.shape[-1])
        chosen = scored.memory.gather(1, row)
        proposal = scored.proposal.gather(1, pair)
        # Offsets do not enter the ranking, so only the chosen ones are computed.
        span = (self.enc_out_span_embed(chosen) + proposal).sigmoid()
        encoder = QueryOutputs(
            label=scored.label.gather(1, best),
            span=span,
            quality=scored.quality.gather(1, best),
            reference=proposal.sigmoid(),
        )
        return Queries(chosen.detach(), span.detach(), scored.valid.gather(1, best), encoder)

    def score(self, memory: Tensor, proposal: Tensor, valid: Tensor) -> Scored:
        """Score all positions' features `memory` [B, P, d]."""
        memory = memory * valid.unsqueeze(-1).to(memory.dtype)
        memory = self.enc_output_norm(self.enc_output(memory))
        label = self.enc_out_class_embed(memory).squeeze(-1)
        quality = self.enc_out_iou_embed(memory).squeeze(-1)
        rank = (label.sigmoid() * quality.sigmoid()).sqrt()
        rank = torch.where(valid, rank, -math.inf)
        return Scored(memory, valid, proposal, label, quality, rank)
