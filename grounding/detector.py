"""SG-DETR over many (window, query) pairs at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grounding.errors import DetectorError
from grounding.gate import Session, normalise_rows, pad_tokens
from grounding.moment import Span
from grounding.query import StandingQuery
from grounding.settings import DetectorSettings
from grounding.sgdetr.postprocess import DetectorOutput, combined_windows
from grounding.window import Window

MIN_CLIPS = 8  # fewer leave the query selector without 25 positions
CLIP_MULTIPLE = 4  # the lowest level of the pyramid has L / 4 positions

Pair = tuple[Window, StandingQuery]


@dataclass(frozen=True, slots=True, eq=False)
class Grounding:
    """What the detector says about one pair: spans, best combined score first, and logits."""

    spans: tuple[Span, ...]
    local_saliency: NDArray[np.float32]  # [L] of the window, without padding
    global_saliency: NDArray[np.float32]  # [L]


class MomentDetector:
    """Runs the detector's graph on batches of equal padded length and fuses both its heads."""

    def __init__(self, session: Session, settings: DetectorSettings, batch: int = 8) -> None:
        self._session = session
        self._settings = settings
        self._batch = batch

    def ground(self, pairs: Sequence[Pair]) -> list[Grounding]:
        """Spans and saliency of every pair, in the order given.

        Raises DetectorError when the graph's answer does not have the agreed shapes.
        """
        groundings: dict[int, Grounding] = {}
        for rows in _batches(pairs, self._batch):
            groundings.update(zip(rows, self._run([pairs[row] for row in rows]), strict=True))
        return [groundings[row] for row in range(len(pairs))]

    def _run(self, pairs: Sequence[Pair]) -> Iterator[Grounding]:
        video, video_mask = pad_windows([window for window, _ in pairs])
        texts = [query.features for _, query in pairs]
        text, text_mask = pad_tokens(texts, self._settings.max_tokens)
        made = self._session.run(
            {"video": video, "video_mask": video_mask, "text": text, "text_mask": text_mask}
        )
        counted = self._settings.padding_counts
        output = _as_output(made, video_mask > 0, counted)
        # Fractions refer to the end of the last valid clip, and the newest clip is always valid.
        clip_seconds = np.array([window.clip_seconds for window, _ in pairs])
        lengths = np.array([video.shape[1] if counted else len(one.mask) for one, _ in pairs])
        found = combined_windows(output, lengths * clip_seconds, self._settings.postprocess)
        for row, (window, _) in enumerate(pairs):
            clips = len(window.mask)
            yield Grounding(
                spans=tuple(self._spans(found[row], clips * window.clip_seconds)),
                local_saliency=output.local_saliency[row, :clips],
                global_saliency=output.global_saliency[row, :clips],
            )

    def _spans(self, found: NDArray[np.float64], seconds: float) -> Iterator[Span]:
        """The best of (start s, end s, score) [k, 3], in a window of so many seconds."""
        if self._settings.padding_counts:  # what lies in the rows that fill up was never seen
            found = np.column_stack([np.clip(found[:, :2], 0.0, seconds), found[:, 2]])
            found = found[found[:, 1] > found[:, 0]]
        for start, end, score in found[: self._settings.max_moments]:
            yield Span(float(start / seconds), float(end / seconds), float(score))


def padded_clips(clips: int) -> int:
    """How many rows a window of so many clips takes in the graph.

    >>> [padded_clips(clips) for clips in (1, 8, 9, 75)]
    [8, 8, 12, 76]
    """
    return max(MIN_CLIPS, -(-clips // CLIP_MULTIPLE) * CLIP_MULTIPLE)


def pad_windows(
    windows: Sequence[Window],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Normalised rows [B, L, D] and mask [B, L] of windows of one padded length."""
    length = padded_clips(len(windows[0].mask))
    video = np.zeros((len(windows), length, windows[0].vectors.shape[1]), np.float32)
    mask = np.zeros((len(windows), length), np.float32)
    first_row: dict[int, int] = {}  # many queries look at one window: its rows are made once
    for row, window in enumerate(windows):
        clips = len(window.mask)
        made = first_row.setdefault(id(window), row)
        video[row, :clips] = video[made, :clips] if made < row else normalise_rows(window.vectors)
        mask[row, :clips] = window.mask
    return video, mask


def _batches(pairs: Sequence[Pair], size: int) -> Iterator[list[int]]:
    by_length: dict[int, list[int]] = {}
    for row, (window, _) in enumerate(pairs):
        by_length.setdefault(padded_clips(len(window.mask)), []).append(row)
    for rows in by_length.values():
        yield from (rows[first : first + size] for first in range(0, len(rows), size))


def _as_output(
    made: Mapping[str, NDArray[np.generic]], mask: NDArray[np.bool_], padding_counts: bool
) -> DetectorOutput:
    pairs, clips = mask.shape
    positions = clips * 15 // 4
    trailing: dict[str, tuple[int | None, ...]] = {  # None: as many queries as the graph has
        "local_saliency": (clips,),
        "global_saliency": (clips,),
        "span": (None, 2),
        "label": (None,),
        "quality": (None,),
        "atss_label": (positions,),
        "atss_box": (positions, 2),
        "atss_centerness": (positions,),
    }
    arrays = {name: _checked(made, name, (pairs, *shape)) for name, shape in trailing.items()}
    if padding_counts:
        return DetectorOutput(**arrays, mask=None)
    # The graph's spans are fractions of the padded length; DetectorOutput wants them up to the
    # last valid clip.
    valid = clips - mask[:, ::-1].argmax(axis=1)  # [B]
    arrays["span"] = (arrays["span"] * (clips / valid)[:, None, None]).astype(np.float32)
    return DetectorOutput(**arrays, mask=mask)


def _checked(
    made: Mapping[str, NDArray[np.generic]], name: str, wanted: tuple[int | None, ...]
) -> NDArray[np.float32]:
    shape = made[name].shape if name in made else None
    if shape is None or len(shape) != len(wanted):
        fits = False
    else:
        fits = all(want in (None, size) for size, want in zip(shape, wanted, strict=True))
    if not fits:
        raise DetectorError(f"the detector's graph should give {name} {wanted}, it gives {shape}")
    return made[name].astype(np.float32, copy=False)
