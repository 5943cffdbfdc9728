"""Golden figures of the losses as this package's dataclasses (see the golden README, section 4)."""

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from grounding.sgdetr.atss import Assignment, AtssSettings, assign, level_anchors, truth_units
from grounding.sgdetr.predictions import (
    AtssOutputs,
    AuxiliaryTokens,
    CollabOutputs,
    NegativePairs,
    Predictions,
    QueryOutputs,
    Targets,
    official_source,
)

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / os.environ.get("WATCHWORD_SHARED", "../shared") / "golden"
SAMPLES = 4
Arrays = dict[str, NDArray]


def load(name: str) -> Arrays:
    with np.load(GOLDEN / name, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def tensor(arrays: Arrays, key: str) -> Tensor:
    return torch.from_numpy(arrays[key])


def targets_of(arrays: Arrays) -> Targets:
    return Targets(
        spans=tuple(tensor(arrays, f"tgt/spans_b{b}") for b in range(SAMPLES)),
        durations=tensor(arrays, "in/duration").float(),
        saliency=tensor(arrays, "tgt/saliency_all"),
        positive_clips=tensor(arrays, "tgt/pos"),
        negative_clips=tensor(arrays, "tgt/neg"),
        sources=[official_source(str(name)) for name in arrays["in/vid"]],
    )


def assignment_of(arrays: Arrays) -> tuple[Tensor, Assignment]:
    anchors = level_anchors([80, 40, 20, 10])
    settings = AtssSettings(truncate=True)
    truths = [
        truth_units(tensor(arrays, f"tgt/spans_b{b}"), float(arrays["in/duration"][b]), settings)
        for b in range(SAMPLES)
    ]
    return torch.cat(anchors), assign(anchors, truths, settings.top_k)


def queries(arrays: Arrays, prefix: str) -> QueryOutputs:
    span = tensor(arrays, f"out/{prefix}pred_spans")
    return QueryOutputs(
        label=tensor(arrays, f"out/{prefix}pred_logits")[..., 0],
        span=span,
        quality=tensor(arrays, f"out/{prefix}pred_quality_scores")[..., 0],
        reference=span,
    )


def atss_of(arrays: Arrays, anchors: Tensor) -> AtssOutputs:
    def levels(name: str) -> Tensor:
        return torch.cat([tensor(arrays, f"out/pred_{name}_aux{i}") for i in range(4)], dim=1)

    label = levels("logits")[..., 0]
    return AtssOutputs(
        label=label,
        box=levels("spans"),
        centerness=levels("cntrness")[..., 0],
        anchors=anchors,
        level_lengths=(80, 40, 20, 10),
        valid=torch.ones_like(label, dtype=torch.bool),
    )


def collab_of(arrays: Arrays) -> CollabOutputs:
    positive = tensor(arrays, "collab/labels") > 0  # [B, K]
    truth = torch.zeros(*positive.shape, 2)
    truth[positive] = tensor(arrays, "collab/gt_spans")
    anchor = tensor(arrays, "collab/anchors_cw")
    layers = tuple(
        QueryOutputs(label[..., 0], span, torch.zeros_like(label[..., 0]), span)
        for label, span in zip(
            tensor(arrays, "collab/out_cls"), tensor(arrays, "collab/out_span"), strict=True
        )
    )
    content = tensor(arrays, "collab/query_content")
    return CollabOutputs(layers, positive, torch.ones_like(positive), truth, anchor, content)


def predictions_of(arrays: Arrays) -> Predictions:
    """The stored outputs of the official network, so that losses need no model."""
    anchors, assignment = assignment_of(arrays)
    mask = tensor(arrays, "in/src_vid_mask")
    return Predictions(
        mask=mask,
        lengths=mask.sum(dim=1),
        local_saliency=tensor(arrays, "out/local_saliency_scores"),
        global_saliency=tensor(arrays, "out/saliency_scores"),
        layers=tuple(queries(arrays, prefix) for prefix in ("aux0_", "aux1_", "")),
        encoder=queries(arrays, "enc_"),
        atss=atss_of(arrays, anchors),
        assignment=assignment,
        collab=collab_of(arrays),
        negative=NegativePairs(
            kept=tensor(arrays, "out/real_neg_mask"),
            local_saliency=tensor(arrays, "out/local_saliency_scores_neg"),
            global_saliency=tensor(arrays, "out/saliency_scores_neg"),
        ),
        tokens=AuxiliaryTokens(
            sentence=tensor(arrays, "out/sent_txt_token"),
            moment=tensor(arrays, "out/moment_token"),
            other=tensor(arrays, "out/non_moment_token"),
            clips=tensor(arrays, "out/src_vid"),
        ),
    )
