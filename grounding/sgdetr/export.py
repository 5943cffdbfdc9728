"""ONNX: the detector and the two halves of the gate, with dynamic batch, length and tokens.

The names of inputs and outputs are those of `grounding.sgdetr.detector_output`'s contract. Scores
stay logits and boxes stay undecoded: NMS, fusion and post-processing are NumPy, outside the graph.
Every graph takes clips' features alone: temporal end points, where a network reads them, are made
inside.
"""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from grounding.sgdetr.attention import key_bias
from grounding.sgdetr.decoder import Memory
from grounding.sgdetr.end_points import newest_end_points, with_end_points
from grounding.sgdetr.fast import for_runtime
from grounding.sgdetr.model import SGDETR, SILENT
from grounding.sgdetr.pyramid import level_masks
from grounding.sgdetr.saliency import unit_rows
from grounding.window import WINDOW_CLIPS

OPSET = 17  # the first with LayerNormalization
DETECTOR_INPUTS = ("video", "video_mask", "text", "text_mask")
DETECTOR_OUTPUTS = (
    "local_saliency",
    "global_saliency",
    "span",
    "label",
    "quality",
    "atss_label",
    "atss_box",
    "atss_centerness",
)
Axes = dict[str, tuple[str, ...]]  # the dynamic ones, first axes first
DETECTOR_AXES: Axes = {
    "video": ("batch", "clips"),
    "video_mask": ("batch", "clips"),
    "text": ("batch", "tokens"),
    "text_mask": ("batch", "tokens"),
    "local_saliency": ("batch", "clips"),
    "global_saliency": ("batch", "clips"),
    "span": ("batch",),
    "label": ("batch",),
    "quality": ("batch",),
    "atss_label": ("batch", "positions"),
    "atss_box": ("batch", "positions"),
    "atss_centerness": ("batch", "positions"),
}


class DetectorGraph(nn.Module):
    """What the detector's file computes: inference only, the last decoder layer's answers."""

    def __init__(self, model: SGDETR) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, video: Tensor, video_mask: Tensor, text: Tensor, text_mask: Tensor
    ) -> tuple[Tensor, ...]:
        """`video` [B, L, D], `text` [B, N, Dt] and their masks; L >= 8 and a multiple of 4.

        With end points L must be the window's own padded length: its rows count as clips.
        Saliencies [B, L], span [B, Q, 2] (centre, width) as fractions of the *padded* L, label and
        quality [B, Q]; label [B, P], box [B, P, 2] and centerness [B, P] of the ATSS head.
        """
        model = self.model
        if model.config.end_points:
            video, video_mask = with_end_points(video, video_mask)
        inputs = model.prepare(video, video_mask, text, text_mask)
        local = model.local_saliency_head.score(inputs.sentence, inputs.clips)
        memory, whole = model.read(inputs, local)
        masks = level_masks(video_mask)
        levels = model.fpn(memory, masks)
        masked = model.config.masked
        dense_label, box, centerness = model.aux_det_head(levels, masks if masked else None)
        queries = model.queries(levels, masks, inputs.lengths)
        attended = Memory(memory, inputs.position, key_bias(video_mask))
        head = model.main_det_head
        states = head.decoder(queries.content, queries.reference, attended, None)
        last = head.answer(states[-1])
        label = last.label
        if masked:
            label = torch.where(queries.valid, label, SILENT)
            dense_label = torch.where(torch.cat(masks, dim=1) > 0.5, dense_label, SILENT)
        span = last.span * (inputs.lengths / video.shape[1])[:, None, None]
        return local, whole, span, label, last.quality, dense_label, box, centerness


class ClipGraph(nn.Module):
    """The gate's video half: clips' features to unit rows.

    A network with end points gives a clip another saliency at every place of a window. The gate
    looks at the newest clips only, so each is projected as the newest of a full window: this is
    the detector's own saliency of a full window's last clip, and near it before that
    (`tests/grounding/sgdetr/test_official_gate.py` says how near).
    """

    def __init__(self, model: SGDETR, window_clips: int) -> None:
        super().__init__()
        self.projection = model.input_vid_proj
        self.end_points = model.config.end_points
        self.window_clips = window_clips

    def forward(self, video: Tensor) -> Tensor:
        """[M, D] -> [M, d]."""
        if self.end_points:
            video = newest_end_points(video, self.window_clips)
        return unit_rows(self.projection(video))


class QueryGraph(nn.Module):
    """The gate's text half: a sentence's tokens to one unit row."""

    def __init__(self, model: SGDETR) -> None:
        super().__init__()
        self.projection = model.input_txt_proj
        self.head = model.local_saliency_head

    def forward(self, text: Tensor, text_mask: Tensor) -> Tensor:
        """[Q, N, Dt] and mask [Q, N] -> [Q, d]."""
        sentence = self.head(self.projection(text), text_mask)
        return unit_rows(sentence.squeeze(1))


def saliency_parameters(model: SGDETR) -> tuple[float, float]:
    """Scale and bias: local saliency = scale * (gate clip row . gate query row) + bias."""
    head = model.local_saliency_head
    return float(head.temp.detach().exp()), float(head.a_param.detach())


def export_detector(model: SGDETR, path: Path) -> None:
    """Write `model` as an ONNX detector to `path` (one file, float32)."""
    config = model.config
    video, text = torch.randn(2, 16, config.video_features), torch.randn(2, 5, config.text_features)
    inputs = (video, torch.ones(2, 16), text, torch.ones(2, 5))
    names = (DETECTOR_INPUTS, DETECTOR_OUTPUTS)
    _write(DetectorGraph(for_runtime(model)), inputs, names, DETECTOR_AXES, path)


def export_gate(
    model: SGDETR, clip_path: Path, query_path: Path, window_clips: int = WINDOW_CLIPS
) -> None:
    """Write the two halves of the gate; `window_clips` is what a full window holds."""
    config = model.config
    fast = for_runtime(model)
    clip = torch.randn(2, config.video_features)
    axes: Axes = {"video": ("clips",), "clip": ("clips",)}
    _write(ClipGraph(fast, window_clips), (clip,), (("video",), ("clip",)), axes, clip_path)
    text = torch.randn(2, 5, config.text_features), torch.ones(2, 5)
    names = (("text", "text_mask"), ("sentence",))
    axes = {"text": ("queries", "tokens"), "text_mask": ("queries", "tokens")}
    axes["sentence"] = ("queries",)
    _write(QueryGraph(fast), text, names, axes, query_path)


def _write(
    graph: nn.Module,
    inputs: tuple[Tensor, ...],
    names: tuple[tuple[str, ...], tuple[str, ...]],
    axes: Axes,
    path: Path,
) -> None:
    """Export by tracing: the graph is as fast as by `dynamo=True`, and made 30 times sooner.

    The tracer warns about Python values that it takes for constants; the tests compare the graph
    with the network at many shapes instead.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(),
            inputs,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(names[0]),
            output_names=list(names[1]),
            dynamic_axes={name: dict(enumerate(given)) for name, given in axes.items()},
        )
