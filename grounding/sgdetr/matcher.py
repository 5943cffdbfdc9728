"""One-to-one matching of windows to queries (Hungarian), all layers and samples in one cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from grounding.sgdetr.loss_settings import MatchCosts
from grounding.sgdetr.spans import cw_to_se, pairwise_giou

SILENT_LOGIT = -30.0  # the masked network gives this label to queries that stand on no clip
SILENT_COST = 1e3  # they take a window only when nothing else is left


@dataclass(frozen=True, slots=True)
class Matches:
    """M matched (query, window) pairs over all layers, in the order of layer, sample, query."""

    layer: Tensor  # int64 [M]
    sample: Tensor  # int64 [M]
    query: Tensor  # int64 [M]
    window: Tensor  # int64 [M] index into the sample's windows
    truth: Tensor  # [M, 2] (centre, width) of the windows


def stack_spans(spans: Sequence[Tensor]) -> Tensor:
    """Windows of all samples as one tensor [B, n_max, 2]; missing ones are 0, n_max >= 1."""
    rows = torch.nn.utils.rnn.pad_sequence([s.reshape(-1, 2) for s in spans], batch_first=True)
    return rows if rows.shape[1] else rows.new_zeros(len(spans), 1, 2)


@torch.no_grad()
def match_cost(
    label: Tensor, quality: Tensor, span: Tensor, truth: Tensor, costs: MatchCosts
) -> Tensor:
    """Matching cost [K, B, Q, n] of K layers: 10 L1 - gIoU - 4 sigmoid(cls) - sigmoid(quality).

    Silent queries of the masked variant cost a thousand more.

    `label`, `quality`: logits [K, B, Q]; `span`: (c, w) [K, B, Q, 2]; `truth`: [B, n, 2].
    """
    distance = (span.unsqueeze(-2) - truth.unsqueeze(1)).abs().sum(dim=-1)
    giou = pairwise_giou(cw_to_se(span), cw_to_se(truth).expand(len(span), -1, -1, -1))
    scores = costs.label * label.sigmoid() + costs.quality * quality.sigmoid()
    silent = SILENT_COST * (label <= SILENT_LOGIT)
    return costs.span * distance - costs.giou * giou + (silent - scores).unsqueeze(-1)


@torch.no_grad()
def match(
    label: Tensor, quality: Tensor, span: Tensor, spans: Sequence[Tensor], costs: MatchCosts
) -> Matches:
    """The cheapest one-to-one matching per layer and sample.

    Shapes as in `match_cost`; `spans`: per sample [n_b, 2], n_b may be 0. A cost that is not
    finite (a diverged network) raises ValueError.
    """
    truth = stack_spans(spans)
    cost = match_cost(label, quality, span, truth, costs).double().cpu()
    if not torch.isfinite(cost).all():
        raise ValueError("the matching cost is not finite: lower the learning rate")
    table = cost.numpy()
    found: list[tuple[int, int, int, int]] = []
    for layer in range(table.shape[0]):
        for sample, windows in enumerate(spans):
            rows, columns = linear_sum_assignment(table[layer, sample, :, : len(windows)])
            found += [
                (layer, sample, int(row), int(column))
                for row, column in zip(rows, columns, strict=True)
            ]
    index = torch.tensor(found, dtype=torch.int64).reshape(-1, 4).to(span.device)
    layers, samples, queries, windows_ = index.unbind(dim=1)
    return Matches(layers, samples, queries, windows_, truth[samples, windows_])
