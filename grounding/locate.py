"""From a window to the clock: a span becomes a moment."""

import numpy as np
from numpy.typing import NDArray

from grounding.moment import Moment, Span
from grounding.query import StandingQuery
from grounding.window import Window


def locate(
    span: Span,
    window: Window,
    query: StandingQuery,
    score: float,
    saliency: tuple[tuple[float, float], ...],
    min_seconds: float = 0.5,
) -> Moment:
    """Place a span on the clock, inside what the window really saw; nothing is rounded.

    `score` is the calibrated probability, `saliency` the window's `curve`. A span shorter
    than `min_seconds` grows around its middle, as far as the pictures reach.
    """
    seconds = len(window.mask) * window.clip_seconds
    start, end = inside(
        (window.start + span.start * seconds, window.start + span.end * seconds),
        (window.start, window.seen_until),
        min_seconds,
    )
    return Moment(
        query_id=query.query_id,
        query_version=query.version,
        camera_id=window.camera_id,
        session=window.session,
        window_index=window.index,
        start=start,
        end=end,
        score=score,
        saliency=saliency,
        seen_until=window.seen_until,
    )


def curve(window: Window, saliency: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    """(UTC seconds of a clip's middle, probability) of every clip that was seen."""
    rows = np.flatnonzero(window.mask)
    middles = window.start + (rows + 0.5) * window.clip_seconds
    return tuple(zip(middles.tolist(), saliency[rows].tolist(), strict=True))


def inside(
    moment: tuple[float, float], bounds: tuple[float, float], min_seconds: float
) -> tuple[float, float]:
    """(start, end) of at least `min_seconds` within bounds, or the bounds where they are shorter.

    >>> inside((9.9, 10.0), (0.0, 10.0), 0.5)
    (9.5, 10.0)
    """
    low, high = bounds
    start, end = max(moment[0], low), min(moment[1], high)
    short = min_seconds - (end - start)
    if short > 0:  # grow on both sides, then shift what hangs over an edge
        start = min(start - 0.5 * short, high - min_seconds)
        start = max(start, low)
        end = min(start + min_seconds, high)
    return start, end
