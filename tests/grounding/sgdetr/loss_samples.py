"""Random forward results with any mix of present and absent samples, for tests of the losses."""

import torch

from grounding.sgdetr.anchors import level_lengths
from grounding.sgdetr.atss import assign, level_anchors
from grounding.sgdetr.predictions import (
    AtssOutputs,
    AuxiliaryTokens,
    CollabOutputs,
    NegativePairs,
    Predictions,
    QueryOutputs,
    Targets,
)
from grounding.sgdetr.spans import cw_to_se

CLIPS, QUERIES, WIDTH = 8, 25, 16
SECONDS = 2.0 * CLIPS
WINDOWS = {0: [], 1: [[0.5, 0.5]], 2: [[0.25, 0.25], [0.75, 0.25]]}  # (centre, width)


def targets(counts, negative_ok=None):
    """`counts`: windows per sample; the query of a sample with 0 is absent."""
    spans = tuple(torch.tensor(WINDOWS[count]).reshape(-1, 2) for count in counts)
    saliency = torch.zeros(len(counts), CLIPS)
    for row, windows in zip(saliency, spans, strict=True):
        for start, end in cw_to_se(windows) * CLIPS:
            row[int(start) : int(end)] = torch.arange(int(end) - int(start)) % 12 + 1.0
    return Targets(
        spans=spans,
        durations=torch.full((len(counts),), SECONDS),
        saliency=saliency,
        positive_clips=saliency.argmax(dim=1, keepdim=True).expand(-1, 2).contiguous(),
        negative_clips=saliency.argmin(dim=1, keepdim=True).expand(-1, 2).contiguous(),
        sources=[f"camera {i}" for i in range(len(counts))],
        negative_ok=None if negative_ok is None else torch.tensor(negative_ok),
    )


def predictions(wanted, seed=0, mask=None):
    """A random result for `wanted` targets; its float tensors are leaves that take gradients."""
    make = torch.Generator().manual_seed(seed)
    rows = len(wanted.spans)

    def leaf(*shape):
        return torch.randn(rows, *shape, generator=make).requires_grad_()

    def queries(number):
        span = (torch.rand(rows, number, 2, generator=make) * 0.8 + 0.1).requires_grad_()
        return QueryOutputs(leaf(number), span, leaf(number), span.detach())

    mask = torch.ones(rows, CLIPS) if mask is None else mask
    lengths = level_lengths(CLIPS)
    levels = level_anchors(lengths)
    there = mask > 0
    coarse = [there.reshape(rows, -1, scale).any(dim=2) for scale in (2, 4)]
    valid = torch.cat([there.repeat_interleave(2, dim=1), there, *coarse], dim=1)
    truths = [cw_to_se(spans) * CLIPS for spans in wanted.spans]
    positions = sum(lengths)
    kept = wanted.negative_pairs()
    foreign = [leaf(CLIPS)[kept] for _ in range(2)]
    return Predictions(
        mask=mask,
        lengths=torch.full((rows,), float(CLIPS)),
        local_saliency=leaf(CLIPS),
        global_saliency=leaf(CLIPS),
        layers=tuple(queries(QUERIES) for _ in range(3)),
        encoder=queries(QUERIES),
        atss=AtssOutputs(
            leaf(positions),
            leaf(positions, 2),
            leaf(positions),
            torch.cat(levels),
            lengths,
            valid,
        ),
        assignment=assign(levels, truths, 12, valid),
        collab=collab(wanted, queries),
        negative=NegativePairs(kept, *foreign) if kept.any() else None,
        tokens=AuxiliaryTokens(leaf(WIDTH), leaf(WIDTH), leaf(WIDTH), leaf(CLIPS, WIDTH)),
    )


def collab(wanted, queries, number=4):
    """Two positives in samples with windows, negatives in the rest; None without any window."""
    present = wanted.present
    if not present.any():
        return None
    positive = present[:, None] & (torch.arange(number) < 2)
    truth = torch.zeros(len(present), number, 2)
    truth[positive] = torch.tensor([0.5, 0.25])
    layers = tuple(queries(number) for _ in range(3))
    used = torch.ones_like(positive)
    return CollabOutputs(layers, positive, used, truth, truth, truth.new_zeros(1))


def leaves(result):
    """Every tensor of a result that takes gradients, by name."""
    found = {"local": result.local_saliency, "global": result.global_saliency}
    found |= {name: getattr(result.atss, name) for name in ("label", "box", "centerness")}
    for i, layer in enumerate((*result.layers, result.encoder)):
        found |= {f"{name}{i}": getattr(layer, name) for name in ("label", "span", "quality")}
    names = ("sentence", "moment", "clips")
    return found | {name: getattr(result.tokens, name) for name in names}
