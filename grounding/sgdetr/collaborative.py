"""Collaborative queries (training only): ATSS positives as extra decoder queries (Co-DETR).

They see only each other, and the regular queries do not see them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from grounding.sgdetr.anchors import UNIT_SECONDS
from grounding.sgdetr.atss import Assignment
from grounding.sgdetr.attention import MASKED
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.predictions import CollabOutputs, QueryOutputs
from grounding.sgdetr.spans import se_to_cw

Draw = Callable[[int, int], Tensor]  # (B, P) -> keys [B, P] in [0, 1): the lowest are drawn first


@dataclass(frozen=True, slots=True)
class CollabQueries:
    """K queries per sample; the names are those of `CollabOutputs`."""

    position: Tensor  # int64 [B, K] into the pyramid
    positive: Tensor  # bool [B, K]
    used: Tensor  # bool [B, K]
    truth: Tensor  # [B, K, 2]
    anchor: Tensor  # [B, K, 2]

    def outputs(self, content: Tensor, layers: tuple[QueryOutputs, ...]) -> CollabOutputs:
        """With the contents they started from and the decoder's answers."""
        return CollabOutputs(layers, self.positive, self.used, self.truth, self.anchor, content)


def draw_at_random(samples: int, positions: int) -> Tensor:
    """Which negatives fill up: any, on torch's default generator."""
    return torch.rand(samples, positions)


def choose(
    assignment: Assignment, valid: Tensor, keys: Tensor
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Positions, positive and used, each [B, K]; None if the batch has no positive at all.

    Positives come first, in position order; then valid negatives in the order of `keys` [B, P].
    """
    positive = assignment.positive
    most = int(positive.sum(dim=1).max())
    if most == 0:
        return None
    index = torch.arange(positive.shape[1], dtype=torch.float64, device=positive.device)
    rank = keys.to(index) + (~valid).to(index)
    rank = torch.where(positive, index - len(index), rank)
    position = rank.argsort(dim=1)[:, :most]
    usable = (positive | valid).gather(1, position)
    return position, positive.gather(1, position), usable


def collab_queries(
    assignment: Assignment,
    anchors: Tensor,
    valid: Tensor,
    lengths: Tensor,
    config: SGDETRConfig,
    draw: Draw,
) -> CollabQueries | None:
    """The collaborative queries of a batch.

    `anchors` float64 [P, 2] in two-second clips, `valid` bool [B, P], `lengths` [B] clips.
    """
    keys = draw(*valid.shape).to(valid.device)
    chosen = choose(assignment, valid, keys)
    if chosen is None:
        return None
    position, positive, used = chosen
    fraction = UNIT_SECONDS / (lengths.double() * config.clip_seconds)
    fraction = fraction[:, None, None]  # [B, 1, 1] of a sample, per two-second clip
    pair = position.unsqueeze(-1).expand(-1, -1, 2)
    truth = se_to_cw(assignment.boxes.gather(1, pair)) * fraction
    anchor = se_to_cw(anchors[position]) * fraction
    return CollabQueries(position, positive, used, truth.to(lengths), anchor.to(lengths))


def group_bias(first: int, second: int, like: Tensor) -> Tensor:
    """Additive bias [first + second, first + second] that keeps two groups of queries apart."""
    group = torch.arange(first + second, device=like.device) < first
    apart = group.unsqueeze(0) != group.unsqueeze(1)
    return apart.to(like.dtype) * MASKED
