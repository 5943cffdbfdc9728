"""What happened to windows and pairs: sums for summaries, and the same for metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from grounding import metrics


@dataclass(slots=True)
class GroundingCounts:
    """What happened to windows and pairs so far, for summaries."""

    windows: int = 0  # due
    blind: int = 0  # due, with the newest clip missing, or not looked at (overload)
    scope: int = 0  # pairs of an evaluated window and a query that watches its camera
    gate: int = 0  # pairs that passed the gate, or have an open or candidate alert
    detector: int = 0  # pairs the detector ran on, audits and looks ahead included
    contradicted: int = 0  # moments that a negative describes better
    blind_seconds: float = 0.0

    def count_due(self, missing: int, clip_seconds: float) -> None:
        """A window is due, and before it so many whose newest clip is missing."""
        self.windows += missing + 1
        self.blind += missing
        self.blind_seconds += missing * clip_seconds
        metrics.WINDOWS.labels("due").inc(missing + 1)
        metrics.WINDOWS.labels("blind").inc(missing)

    def count_looked_at(self, windows: int) -> None:
        """Windows were evaluated."""
        metrics.WINDOWS.labels("evaluated").inc(windows)

    def count_unseen(self, clip_seconds: float) -> None:
        """A window was not looked at."""
        self.blind += 1
        self.blind_seconds += clip_seconds
        metrics.WINDOWS.labels("blind").inc()

    def count_scope(self, pairs: int) -> None:
        """Pairs are in scope."""
        self.scope += pairs
        metrics.EVALUATIONS.labels("scope").inc(pairs)

    def count_passed(self, pairs: int) -> None:
        """Pairs are to be evaluated."""
        self.gate += pairs
        metrics.EVALUATIONS.labels("gate").inc(pairs)

    def count_detected(self, pairs: int) -> None:
        """The detector ran on pairs."""
        self.detector += pairs
        metrics.EVALUATIONS.labels("detector").inc(pairs)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Observe how long a stage took."""
    began = time.perf_counter()
    try:
        yield
    finally:
        metrics.DURATION.labels(stage).observe(time.perf_counter() - began)
