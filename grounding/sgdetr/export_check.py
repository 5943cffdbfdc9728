"""Exported graphs against the network they came from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoder.errors import ModelError
from encoder.session import Session, SessionOptions, open_session
from grounding.settings import DetectorSettings
from grounding.sgdetr.end_points import newest_end_points, with_end_points
from grounding.sgdetr.export import DETECTOR_INPUTS
from grounding.sgdetr.model import SGDETR

TOLERANCE = 0.01  # of a logit; the graphs are float32 as the network is
SHAPES = ((1, 8, 1), (2, 16, 5), (1, 76, 12))  # batch, clips, tokens
CHOSEN = ("label", "quality")  # of the queries that the selector chose


def check_export(model: SGDETR, files: Sequence[Path], settings: DetectorSettings) -> float:
    """The largest distance of any logit of the graphs from the network's, on random input.

    `files` are the detector, the gate's clip half and its query half. Where two positions are of
    nearly one rank the selector may choose the other, and with it every query's answer changes a
    little: of the queries the nearest of several inputs counts, of all else the farthest.
    Raises ModelError if it is beyond TOLERANCE.
    """
    options = SessionOptions(threads=1, device="cpu")
    sessions = [open_session(path, options) for path in files]
    farthest, of_queries = 0.0, []
    for shape in SHAPES:
        inputs = _random(model, *shape)
        rest, chosen = _detector_distance(model, sessions[0], inputs)
        farthest = max(farthest, rest, _gate_distance(model, sessions[1:], inputs, settings))
        of_queries.append(chosen)
    largest = max(farthest, min(of_queries))
    if not largest <= TOLERANCE:
        raise ModelError(
            f"{files[0].parent}: the exported detector or gate differs from its network by"
            f" {largest:.2g}: export it again with the torch that the project was tested with"
        )
    return largest


def _detector_distance(
    model: SGDETR, session: Session, inputs: tuple[Tensor, ...]
) -> tuple[float, float]:
    """Of the clips' and positions' logits, and of the chosen queries' in order of size."""
    arrays = [tensor.numpy() for tensor in inputs]
    found = session.run(dict(zip(DETECTOR_INPUTS, arrays, strict=True)))
    wanted = _expected(model, *inputs)
    rest = (_distance(found[name], wanted[name]) for name in wanted if name not in CHOSEN)
    chosen = (
        _distance(np.sort(found[name], axis=1), np.sort(wanted[name], axis=1)) for name in CHOSEN
    )
    return max(rest), max(chosen)


def _gate_distance(
    model: SGDETR,
    sessions: Sequence[Session],
    inputs: tuple[Tensor, ...],
    settings: DetectorSettings,
) -> float:
    """Of the saliency of the first clips as newest ones of a full window."""
    video, _, text, text_mask = (tensor.numpy() for tensor in inputs)
    rows = sessions[0].run({"video": video[:, 0]})["clip"]  # [B, d]
    sentence = sessions[1].run({"text": text, "text_mask": text_mask})["sentence"]  # [B, d]
    scored = settings.saliency_scale * (rows * sentence).sum(axis=1) + settings.saliency_bias
    return _distance(scored, _newest(model, inputs, settings))


def _random(model: SGDETR, batch: int, clips: int, tokens: int) -> tuple[Tensor, ...]:
    """Video [B, L, D], its mask, text [B, N, Dt], its mask; the last of L - 1 clips fills up."""
    draw = torch.Generator().manual_seed(clips)
    unit = torch.nn.functional.normalize
    video = unit(torch.randn(batch, clips, model.config.video_features, generator=draw), dim=-1)
    text = unit(torch.randn(batch, tokens, model.config.text_features, generator=draw), dim=-1)
    mask = torch.ones(batch, clips)
    mask[:, -1], video[:, -1] = 0.0, 0.0
    return video, mask, text, torch.ones(batch, tokens)


def _expected(
    model: SGDETR, video: Tensor, mask: Tensor, text: Tensor, text_mask: Tensor
) -> dict[str, NDArray[np.float32]]:
    if model.config.end_points:
        video, mask = with_end_points(video, mask)
    found = model(video, mask, text, text_mask)
    values = {
        "local_saliency": found.local_saliency,
        "global_saliency": found.global_saliency,
        "atss_label": found.atss.label,
        "atss_box": found.atss.box,
        "atss_centerness": found.atss.centerness,
        "label": found.last.label,
        "quality": found.last.quality,
    }
    return {name: value.numpy() for name, value in values.items()}


def _newest(
    model: SGDETR, inputs: tuple[Tensor, ...], settings: DetectorSettings
) -> NDArray[np.float32]:
    """The network's own saliency [B] of the first rows, as newest clips of a full window."""
    video, _, text, text_mask = inputs
    rows = video[:, 0]
    if model.config.end_points:
        rows = newest_end_points(rows, settings.window_clips)
    clips = model.input_vid_proj(rows[:, None])
    sentence = model.local_saliency_head(model.input_txt_proj(text), text_mask)
    scores: NDArray[np.float32] = model.local_saliency_head.score(sentence, clips)[:, 0].numpy()
    return scores


def _distance(found: NDArray[Any], wanted: NDArray[np.float32]) -> float:
    return float(np.abs(found - wanted).max())
