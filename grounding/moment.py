"""Spans and moments: where in a window, and when on the clock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Model space: (start, end) as fractions of a window's valid length; `score` is of eq. 9."""

    start: float
    end: float
    score: float


@dataclass(frozen=True, slots=True)
class Moment:
    """User space: a span located on the clock.

    `start` and `end` are UTC seconds; `score` is the calibrated probability of this moment at the
    reference prior; `saliency` holds (UTC seconds of a clip's middle, probability) pairs.
    `seen_until` is where its window's pictures end: a moment that reaches it may still be running.
    """

    query_id: str
    query_version: int
    camera_id: str
    session: int
    window_index: int
    start: float
    end: float
    score: float
    saliency: tuple[tuple[float, float], ...]
    seen_until: float = float("inf")
