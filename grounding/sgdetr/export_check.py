"""Exported graphs against the network they came from."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from encoder.errors import ModelError
from encoder.session import SessionOptions, open_session
from grounding.settings import DetectorSettings
from grounding.sgdetr.end_points import newest_end_points, with_end_points
from grounding.sgdetr.export import DETECTOR_INPUTS
from grounding.sgdetr.model import SGDETR

TOLERANCE = 0.01  # of a logit; the graphs are float32 as the network is
SHAPES = ((1, 8, 1), (2, 16, 5), (1, 76, 12))  # batch, clips, tokens
# Queries of nearly one rank may swap places, so what the selector chooses is compared sorted
SORTED = ("label", "quality")


def check_export(
    model: SGDETR, detector: Path, clip: Path, query: Path, settings: DetectorSettings
) -> float:
    """The largest distance of any logit of the graphs from the network's, on random input.

    Raises ModelError if it is beyond TOLERANCE.
    """
    options = SessionOptions(threads=1, device="cpu")
    sessions = [open_session(path, options) for path in (detector, clip, query)]
    largest = 0.0
    for shape in SHAPES:
        video, mask, text, text_mask = _random(model, *shape)
        arrays = [tensor.numpy() for tensor in (video, mask, text, text_mask)]
        found = sessions[0].run(dict(zip(DETECTOR_INPUTS, arrays, strict=True)))
        for name, wanted in _expected(model, video, mask, text, text_mask).items():
            got = found[name]
            if name in SORTED:
                got, wanted = np.sort(got, axis=1), np.sort(wanted, axis=1)
            largest = max(largest, _distance(got, wanted))
        rows = sessions[1].run({"video": arrays[0][:, 0]})["clip"]
        sentence = sessions[2].run({"text": arrays[2], "text_mask": arrays[3]})["sentence"]
        scored = settings.saliency_scale * (rows * sentence).sum(axis=1) + settings.saliency_bias
        largest = max(largest, _distance(scored, _newest(model, video, text, text_mask, settings)))
    if not largest <= TOLERANCE:
        raise ModelError(
            f"{detector.parent}: the exported detector or gate differs from its network by"
            f" {largest:.2g}: export it again with the torch that the project was tested with"
        )
    return largest


def _random(model: SGDETR, batch: int, clips: int, tokens: int) -> tuple[torch.Tensor, ...]:
    """Video [B, L, D], its mask, text [B, N, Dt], its mask; the last of L - 1 clips fills up."""
    draw = torch.Generator().manual_seed(clips)
    unit = torch.nn.functional.normalize
    video = unit(torch.randn(batch, clips, model.config.video_features, generator=draw), dim=-1)
    text = unit(torch.randn(batch, tokens, model.config.text_features, generator=draw), dim=-1)
    mask = torch.ones(batch, clips)
    mask[:, -1], video[:, -1] = 0.0, 0.0
    return video, mask, text, torch.ones(batch, tokens)


def _expected(
    model: SGDETR,
    video: torch.Tensor,
    mask: torch.Tensor,
    text: torch.Tensor,
    text_mask: torch.Tensor,
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
    model: SGDETR,
    video: torch.Tensor,
    text: torch.Tensor,
    text_mask: torch.Tensor,
    settings: DetectorSettings,
) -> NDArray[np.float32]:
    """The network's own saliency [B] of the first rows, as newest clips of a full window."""
    rows = video[:, 0]
    if model.config.end_points:
        rows = newest_end_points(rows, settings.window_clips)
    clips = model.input_vid_proj(rows[:, None])
    sentence = model.local_saliency_head(model.input_txt_proj(text), text_mask)
    scores: NDArray[np.float32] = model.local_saliency_head.score(sentence, clips)[:, 0].numpy()
    return scores


def _distance(found: NDArray[np.generic], wanted: NDArray[np.float32]) -> float:
    return float(np.abs(found - wanted).max())
