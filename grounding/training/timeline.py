"""Timelines: which frames of which footage a composed stream shows, and what is seen when."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grounding.training.footage import Footage

CLIP_SECONDS = 2.0
FRAMES_PER_CLIP = 8
_TOUCHING = 0.05  # windows closer than this are one


@dataclass(frozen=True, slots=True)
class Segment:
    """From `start` to `end` (stream seconds) the stream shows `low` .. `high` of a footage.

    Played once from `low + phase` it stays on its last frame; looped it swings to and fro.
    """

    footage: Footage
    start: float
    end: float
    low: float
    high: float
    loop: bool
    phase: float = 0.0


def rows_of(segments: Sequence[Segment], clips: int) -> NDArray[np.int32]:
    """Rows of the frame cache that a stream of `clips` clips shows: [L, 8]."""
    count = clips * FRAMES_PER_CLIP
    times = (np.arange(count) + 0.5) * (CLIP_SECONDS / FRAMES_PER_CLIP)  # [L * 8]
    starts = np.array([segment.start for segment in segments])
    which = np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)
    low, length, fps, row, frames = (
        np.array(values)[which]
        for values in zip(
            *(
                (s.low, max(s.high - s.low, 1e-6), s.footage.fps, s.footage.row, s.footage.frames)
                for s in segments
            ),
            strict=True,
        )
    )
    phase = np.array([segment.phase for segment in segments])[which]
    looped = np.array([segment.loop for segment in segments])[which]
    since = times - starts[which] + phase
    swing = np.abs((since + length) % (2 * length) - length)  # 0 -> length -> 0 -> ...
    at = low + np.where(looped, swing, np.minimum(since, length))
    number = np.clip(np.floor(at * fps + 1e-6), 0, frames - 1)
    rows: NDArray[np.int32] = (row + number).astype(np.int32)
    return rows.reshape(clips, FRAMES_PER_CLIP)


def windows_of(
    segments: Sequence[Segment], concept: str, seconds: float
) -> tuple[tuple[float, float], ...]:
    """When a concept is seen, stream seconds, neighbouring pieces joined."""
    spans = sorted(span for segment in segments for span in _seen(segment, concept))
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        start, end = max(start, 0.0), min(end, seconds)
        if end - start < 1e-3:
            continue
        if joined and start - joined[-1][1] < _TOUCHING:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _seen(segment: Segment, concept: str) -> list[tuple[float, float]]:
    if concept in segment.footage.shows:
        return [(segment.start, segment.end)]
    spans = []
    for event in segment.footage.events:
        if event.concept != concept:
            continue
        if segment.loop:
            shared = min(event.end, segment.high) - max(event.start, segment.low)
            if shared > 0.5 * (segment.high - segment.low):
                spans.append((segment.start, segment.end))
        else:
            spans += _seen_once(segment, event.start, event.end)
    return spans


def _seen_once(segment: Segment, start: float, end: float) -> list[tuple[float, float]]:
    shift = segment.start - segment.low - segment.phase
    stays = end >= segment.high - 1e-6  # the last frame, which stays, still shows it
    first = max(start + shift, segment.start)
    last = segment.end if stays else min(end + shift, segment.end)
    return [(first, last)] if last > first else []


def relevance(windows: Sequence[tuple[float, float]], clips: int) -> NDArray[np.float32]:
    """The share of each clip inside any window: [L]."""
    edges = np.arange(clips) * CLIP_SECONDS
    share = np.zeros(clips)
    for start, end in windows:
        share += np.clip(np.minimum(end, edges + CLIP_SECONDS) - np.maximum(start, edges), 0, None)
    return np.minimum(share / CLIP_SECONDS, 1.0).astype(np.float32)
