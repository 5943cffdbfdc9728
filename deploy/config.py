"""Frozen settings of a run."""

from dataclasses import dataclass

from encoder.bundle import DEFAULT_BUNDLE

# Who looks through footage loses more by a missed event than by a needless glance. The rate is that
# of the composed streams the bundle was judged on, which are far busier than a fixed camera.
ALERTS_PER_DAY = 48.0


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What `watchword watch` was asked to do; times in a file are seconds from its beginning."""

    sources: tuple[str, ...]
    queries: tuple[str, ...]
    bundle: str = DEFAULT_BUNDLE  # a name, or a folder
    alerts_per_day: float | None = None  # for each query on each camera; None: ALERTS_PER_DAY
    threshold: float | None = None  # a probability, in place of an alert budget
    from_seconds: float | None = None
    to_seconds: float | None = None
    start: float | None = None  # UTC seconds at which the files begin
