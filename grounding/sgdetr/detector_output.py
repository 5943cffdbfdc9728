"""What the detector returns, and each head's own list of windows (NumPy only)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grounding.sgdetr.anchors import UNIT_SECONDS, anchor_boxes, decode_boxes, level_lengths
from grounding.sgdetr.nms import suppress

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class DetectorOutput:
    """Raw outputs of SG-DETR for B (window, query) pairs of L clips, L a multiple of 4.

    P = 3.75 L positions of the levels 2L, L, L/2, L/4, one after the other. All scores are
    logits. With `mask` (True where there is a clip) nothing is found outside the clips that are
    there; without it every position counts, as in the official code.
    """

    local_saliency: Floats  # [B, L]
    global_saliency: Floats  # [B, L]
    span: Floats  # [B, 25, 2] (centre, width), fractions up to the last valid clip's end
    label: Floats  # [B, 25]
    quality: Floats  # [B, 25]
    atss_label: Floats  # [B, P]
    atss_box: Floats  # [B, P, 2] raw (dx, dw)
    atss_centerness: Floats  # [B, P]
    mask: NDArray[np.bool_] | None = None  # [B, L]


@dataclass(frozen=True, slots=True)
class AtssList:
    """How windows are taken from the ATSS head: score above, NMS IoU, how many."""

    threshold: float
    nms_iou: float
    top: int


def detr_windows(output: DetectorOutput, durations: NDArray[np.floating]) -> Floats:
    """Windows of the DETR head, (start s, end s, p, IoU) float32 [B, 25, 4], best p first.

    `durations` [B] are the seconds that the fractions refer to: up to the end of the last valid
    clip.
    """
    seconds = durations.astype(np.float32)[:, None]  # [B, 1]
    centre, half = output.span[..., 0], np.float32(0.5) * output.span[..., 1]
    ends = np.stack([centre - half, centre + half], axis=-1) * seconds[..., None]
    lowest, highest = valid_seconds(output, durations)
    ends = np.clip(ends, lowest[:, None, None], highest[:, None, None])  # [B, 25, 2]
    scores = np.stack([sigmoid(output.label), sigmoid(output.quality)], axis=-1)
    rows = np.concatenate([ends, scores], axis=-1)
    order = np.argsort(-rows[..., 2], axis=1, kind="stable")
    return np.take_along_axis(rows, order[..., None], axis=1)


def combined_score(rows: Floats) -> Floats:
    """Equation 9 with gamma 0.5, sqrt(p * IoU), of rows (start, end, p, IoU) [..., 4]."""
    score: Floats = np.sqrt(rows[..., 2] * rows[..., 3])
    return score


def atss_windows(
    output: DetectorOutput,
    durations: NDArray[np.floating],
    settings: AtssList,
    unit_seconds: float = UNIT_SECONDS,
) -> list[Floats]:
    """Windows of the ATSS head, one (start s, end s, score) [n, 3] per pair, best first.

    `unit_seconds` is the length of an anchor unit; 2 is hard-coded in the official code,
    whatever a clip lasts. A pair may have no window at all: [0, 3].
    """
    lengths = level_lengths(output.local_saliency.shape[1])
    anchors = np.concatenate(anchor_boxes(lengths))  # [P, 2]
    scores = np.sqrt(sigmoid(output.atss_label) * sigmoid(output.atss_centerness))  # [B, P]
    if output.mask is not None:
        scores = np.where(position_mask(output.mask), scores, 0.0)
    lowest, highest = valid_seconds(output, durations)
    lists = []
    for row, score in enumerate(scores):
        chosen = np.flatnonzero(score > settings.threshold)
        boxes = decode_boxes(anchors[chosen], output.atss_box[row, chosen]) * unit_seconds
        boxes = np.clip(boxes, lowest[row], highest[row])  # [n, 2]
        kept = suppress(boxes, score[chosen], settings.nms_iou, settings.top)
        found = np.column_stack([boxes[kept], score[chosen][kept]])
        lists.append(found.astype(np.float32))
    return lists


def valid_seconds(output: DetectorOutput, durations: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Seconds between which windows may lie, each [B]: from the first to the last valid clip.

    `durations` [B] reach to the end of the last valid clip, as the fractions of `span` do.
    """
    highest = durations.astype(np.float32)
    if output.mask is None:
        return np.zeros_like(highest), highest
    clips = output.mask.shape[1] - output.mask[:, ::-1].argmax(axis=1)  # [B]
    first = output.mask.argmax(axis=1)
    highest = np.where(output.mask.any(axis=1), highest, np.float32(0))
    return first.astype(np.float32) * (highest / clips.astype(np.float32)), highest


def position_mask(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the P positions stand on a valid clip: [B, P] of a clip mask [B, L]."""
    rows = len(mask)
    half = mask.reshape(rows, -1, 2).any(axis=2)
    quarter = mask.reshape(rows, -1, 4).any(axis=2)
    return np.concatenate([np.repeat(mask, 2, axis=1), mask, half, quarter], axis=1)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logistic function that does not overflow, in the dtype of `logits`."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small)).astype(logits.dtype)
