"""From the detector's outputs to windows in seconds: fusion of both heads, rounding, clamping.

Everything here is NumPy and stands outside the exported graph.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from grounding.sgdetr.anchors import UNIT_SECONDS
from grounding.sgdetr.detector_output import (
    AtssList,
    DetectorOutput,
    atss_windows,
    combined_score,
    detr_windows,
    valid_seconds,
)
from grounding.sgdetr.fusion import FusionSettings, fuse

__all__ = [
    "AtssList",
    "DetectorOutput",
    "FinishSettings",
    "FusionSettings",
    "PostprocessSettings",
    "combined_windows",
    "finish",
    "finish_detr",
]

T = TypeVar("T", bound=np.floating)


@dataclass(frozen=True, slots=True)
class FinishSettings:
    """The last step: clamp to [0, `max_seconds`], round, mend the length, round the scores.

    `grid_seconds` None leaves ends as they are; `max_seconds` None clamps to the window only.
    Windows shorter than `min_length` or longer than `max_length` get that length around their
    centre. The official code mends lengths last, so that a mended window may leave the grid and
    the video; with `keep_inside` it is moved back into the video.
    """

    grid_seconds: float | None = 2.0
    max_seconds: float | None = 150.0
    min_length: float = 2.0
    max_length: float | None = None
    round_scores: bool = True
    keep_inside: bool = False


@dataclass(frozen=True, slots=True)
class PostprocessSettings:
    """All settings between raw outputs and windows; one preset per data set, and `live`.

    `atss` is the list of the ATSS head alone; `fused_atss` the one that enters the fusion.
    """

    atss: AtssList
    fused_atss: AtssList
    fusion: FusionSettings
    finish: FinishSettings
    unit_seconds: float = UNIT_SECONDS

    @classmethod
    def qvhighlights(cls) -> "PostprocessSettings":
        """QVHighlights: 75 clips of 2 s, padded to 152 s."""
        return cls(
            atss=AtssList(0.05, 0.5, 10),
            fused_atss=AtssList(0.01, 0.75, 10),
            fusion=FusionSettings((1.0, 2.5), iou=0.8, skip=0.1, max_seconds=152.0),
            finish=FinishSettings(2.0, 150.0, min_length=2.0),
        )

    @classmethod
    def charades(cls) -> "PostprocessSettings":
        """Charades-STA: 1-second clips, whose anchors still count in 2-second units."""
        return cls(
            atss=AtssList(0.1, 0.5, 50),
            fused_atss=AtssList(0.1, 0.5, 50),
            fusion=FusionSettings((1.0, 1.0), iou=0.5, skip=0.4, max_seconds=200.0),
            finish=FinishSettings(0.1, 200.0, min_length=1.0),
        )

    @classmethod
    def tacos(cls) -> "PostprocessSettings":
        """TACoS: videos of up to 1500 s."""
        return cls(
            atss=AtssList(0.05, 0.6, 20),
            fused_atss=AtssList(0.05, 0.6, 20),
            fusion=FusionSettings((1.0, 1.0), iou=0.6, skip=0.1, max_seconds=1500.0),
            finish=FinishSettings(0.4, 1500.0, min_length=2.0),
        )

    @classmethod
    def live(cls) -> "PostprocessSettings":
        """Live windows: nothing is rounded, half a second at least, low scores are kept.

        Presence is decided on the calibrated probability, so the fusion may not drop windows
        that the official presets would.
        """
        base = cls.qvhighlights()
        return replace(
            base,
            fusion=replace(base.fusion, skip=0.01, max_seconds=None),
            finish=FinishSettings(None, None, min_length=0.5, round_scores=False, keep_inside=True),
        )


def fused_windows(
    output: DetectorOutput, durations: NDArray[np.floating], settings: PostprocessSettings
) -> list[NDArray[np.float64]]:
    """Fused windows of both heads before the last step, (start s, end s, score) [k, 3] a pair."""
    detr = detr_windows(output, durations)  # [B, 25, 4]
    scores = combined_score(detr)[..., None]
    detr_lists = np.concatenate([detr[..., :2], scores], axis=-1)  # [B, 25, 3]
    atss_lists = atss_windows(output, durations, settings.fused_atss, settings.unit_seconds)
    unit = settings.fusion.max_seconds
    return [
        fuse([first, second], settings.fusion, float(duration if unit is None else unit))
        for first, second, duration in zip(detr_lists, atss_lists, durations, strict=True)
    ]


def combined_windows(
    output: DetectorOutput, durations: NDArray[np.floating], settings: PostprocessSettings
) -> list[NDArray[np.float64]]:
    """Windows of every (window, query) pair: (start s, end s, score) [k, 3], best score first.

    `durations` [B] are the seconds to which the model's fractions refer: up to the end of a
    window's last valid clip (official variant: of its padded length).
    k may be 0: then nothing passed the fusion's `skip`. (The official runner puts one window
    0, 0, 0 in its place.)
    """
    lowest, highest = valid_seconds(output, durations)
    return [
        finish(windows, settings.finish, (float(low), float(high)))
        for windows, low, high in zip(
            fused_windows(output, durations, settings), lowest, highest, strict=True
        )
    ]


def finish(
    windows: NDArray[T], settings: FinishSettings, bounds: tuple[float, float] | None = None
) -> NDArray[T]:
    """Clamp, round and mend windows (start s, end s, scores...) [k, 2 + s]; the order stays.

    `bounds` (s) are where the video begins and ends, for `keep_inside`.
    """
    highest = np.inf if settings.max_seconds is None else settings.max_seconds
    ends = np.clip(windows[:, :2], 0.0, highest)
    if settings.grid_seconds is not None:
        ends = np.round(ends / settings.grid_seconds) * settings.grid_seconds
    ends = _mend_lengths(ends, settings)
    if settings.keep_inside and bounds is not None:
        ends = _move_inside(ends, bounds)
    scores = np.round(windows[:, 2:], 4) if settings.round_scores else windows[:, 2:]
    return np.concatenate([ends, scores], axis=1).astype(windows.dtype)


def finish_detr(rows: NDArray[np.float32], settings: FinishSettings) -> NDArray[np.float32]:
    """The DETR head's own list (start s, end s, eq. 9) [25, 3] of rows (start, end, p, IoU).

    The order stays the one of p, which the official evaluation uses for R1.
    """
    done = finish(rows, settings)
    return np.column_stack([done[:, :2], combined_score(done)])


def _mend_lengths(ends: NDArray[T], settings: FinishSettings) -> NDArray[T]:
    length = ends[:, 1] - ends[:, 0]
    wanted = np.clip(length, settings.min_length, settings.max_length or np.inf)
    centre = 0.5 * (ends[:, 0] + ends[:, 1])
    mended = np.stack([centre - 0.5 * wanted, centre + 0.5 * wanted], axis=1)
    return np.where((wanted == length)[:, None], ends, mended)


def _move_inside(ends: NDArray[T], bounds: tuple[float, float]) -> NDArray[T]:
    """Shift windows into `bounds` without a change of length; longer ones are cut."""
    low, high = bounds
    moved = ends + np.maximum(low - ends[:, :1], 0.0)
    moved -= np.maximum(moved[:, 1:] - high, 0.0)
    inside: NDArray[T] = np.clip(moved, low, high)
    return inside
