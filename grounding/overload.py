"""Overload: what grounding leaves out when it cannot keep up with the live cameras.

It falls behind when what it reads is older than `limit_seconds`, that lag does not shrink, and the
work on the clips takes longer than the clips last. Catching up after a crash or a broker's pause
is therefore never overload, however large the backlog: the work takes less time than the clips
last. Files never cause it, and of files nothing is left out.

    step  what is left out, beside that of the steps before        what a window costs then
    0     nothing                                                  every pair that passes the gate
    1     audits; pairs below the gate's threshold                 the pairs that pass a gate which
          + `threshold_delta`                                      is `threshold_delta` higher
    2     of a window all but its `pairs` most salient pairs       at most `pairs` pairs
    3     of the windows of a batch all but each camera's newest   nothing, unless it is the newest

With the default bundle about half of the pairs that pass the gate pass it a logit higher. A pair
with an open or candidate alert is never left out; at step 3 its camera's newest window sees it.

A step is taken after two bad periods of `period_seconds` in a row, a further one after one more.
It is taken back when for `calm_seconds` the lag was small and what the step left out would have
fitted in `spare` of the time. So a steady load is answered by a steady step.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from encoder.embedding import ClipEmbedding
from grounding import metrics
from grounding.config import OverloadSettings

LAST_STEP = 3
MEMORY_SECONDS = 60.0  # a live camera counts as one for so long after its last clip
GAP_SECONDS = 1.0  # more between two batches is waiting, not work
NEWEST_OF = 256  # records read together while only each camera's newest window is looked at

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Relief:
    """What is left out now."""

    step: int = 0
    threshold_delta: float = 0.0  # logits
    pairs: int | None = None  # of a window; None: all
    newest_only: bool = False

    @property
    def audits(self) -> bool:
        """Whether pairs that the gate refused are looked at."""
        return self.step == 0


@dataclass(slots=True)
class Work:
    """What a batch took: seconds of the detector, and by step what was left out."""

    pairs: int = 0  # that the detector ran on
    detector_seconds: float = 0.0
    looked_at: int = 0  # live windows
    left_out: list[int] = field(default_factory=lambda: [0] * (LAST_STEP + 1))  # pairs; 3: windows

    def add(self, other: "Work") -> None:
        """Sum up."""
        self.pairs += other.pairs
        self.detector_seconds += other.detector_seconds
        self.looked_at += other.looked_at
        self.left_out = [a + b for a, b in zip(self.left_out, other.left_out, strict=True)]


@dataclass(slots=True)
class _Period:
    began: float
    clip_seconds: float = 0.0
    lag_seconds: float = 0.0  # of all clips together
    clips: int = 0
    busy_seconds: float = 0.0
    work: Work = field(default_factory=Work)

    @property
    def lag(self) -> float:
        return self.lag_seconds / self.clips if self.clips else 0.0


class Overload:
    """Judges period by period; the clock is the machine's, so that work can be measured.

    Without settings it never takes a step.
    """

    def __init__(
        self, settings: OverloadSettings | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._settings = settings
        self._seen: dict[str, float] = {}  # live camera: when a clip of it came last
        self._period = _Period(clock())
        self._lag_before = 0.0
        self._bad_periods = 0
        self._calm_since: float | None = None
        self._ended_at: float | None = None
        self._pair_seconds = 0.0  # of the detector, as last measured
        self.relief = Relief()

    @property
    def step(self) -> int:
        """0: nothing is left out."""
        return self.relief.step

    @contextmanager
    def measured(
        self, live: Sequence[ClipEmbedding], clips: int, lag_seconds: float
    ) -> Iterator[Work]:
        """Around the evaluation of so many clips, those of `live` cameras among them.

        `lag_seconds` says how long ago they were published. What is done goes into the work.
        """
        work = Work()
        if self._settings is None or not live:
            yield work
            return
        self._judge_if_due()
        began, period = self.clock(), self._period
        if self._ended_at is not None and lag_seconds > self._settings.limit_seconds:
            # Records were waiting: what passed since the last batch was work around it.
            period.busy_seconds += min(GAP_SECONDS, began - self._ended_at)
        yield work
        now = self.clock()
        self._seen |= dict.fromkeys((one.camera_id for one in live), now)
        period.clips += len(live)
        period.clip_seconds += sum(one.end - one.start for one in live)
        period.lag_seconds += lag_seconds * len(live)
        period.busy_seconds += (now - began) * len(live) / clips
        period.work.add(work)
        self._ended_at = now

    def tick(self) -> None:
        """Time goes on, with or without clips."""
        if self._settings is not None:
            self._judge_if_due()

    def _judge_if_due(self) -> None:
        assert self._settings is not None
        now = self.clock()
        if now - self._period.began < self._settings.period_seconds:
            return
        period, self._period = self._period, _Period(now)
        self._seen = {camera: at for camera, at in self._seen.items() if now - at < MEMORY_SECONDS}
        if period.work.pairs:
            self._pair_seconds = period.work.detector_seconds / period.work.pairs
        self._judge(period, now, self._settings)
        self._lag_before = period.lag

    def _judge(self, period: _Period, now: float, settings: OverloadSettings) -> None:
        behind = period.lag > settings.limit_seconds and period.lag >= self._lag_before
        bad = behind and self._load(period.busy_seconds, period) >= 1.0
        self._bad_periods = self._bad_periods + 1 if bad else 0
        calm = period.lag <= settings.limit_seconds / 2
        calm = calm and self._load(self._without_step(period), period) < settings.spare
        if not calm:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = period.began
        if self._bad_periods >= (2 if self.step == 0 else 1) and self.step < LAST_STEP:
            self._take_step(self.step + 1, period.lag, settings)
        elif self._calm_since is not None and now - self._calm_since >= settings.calm_seconds:
            if self.step > 0:
                self._take_step(self.step - 1, period.lag, settings)
            self._calm_since = None

    def _load(self, busy_seconds: float, period: _Period) -> float:
        """Seconds of work for a second of all live cameras."""
        if not period.clips:
            return 0.0
        return busy_seconds * len(self._seen) / period.clip_seconds

    def _without_step(self, period: _Period) -> float:
        """How long the period's work would have taken without the newest step."""
        work = period.work
        if self.step < LAST_STEP:
            return period.busy_seconds + work.left_out[self.step] * self._pair_seconds
        return period.busy_seconds * (1 + work.left_out[LAST_STEP] / max(1, work.looked_at))

    def _take_step(self, step: int, lag: float, settings: OverloadSettings) -> None:
        self._log_step(step, lag, settings)
        self.relief = Relief(
            step=step,
            threshold_delta=settings.threshold_delta if step >= 1 else 0.0,
            pairs=settings.pairs if step >= 2 else None,
            newest_only=step >= LAST_STEP,
        )
        self._bad_periods, self._calm_since = 0, None
        metrics.OVERLOAD_STEP.set(step)

    def _log_step(self, step: int, lag: float, settings: OverloadSettings) -> None:
        now = (
            "everything is evaluated again",
            f"no audits, and the gate's threshold is {settings.threshold_delta} logits higher",
            f"only the {settings.pairs} most salient pairs of a window are evaluated",
            "only each camera's newest window of a batch is evaluated",
        )[step]
        if step > self.step:
            _log.warning(
                "grounding is %.0f s behind and does not catch up: overload step %d, %s",
                lag, step, now,
            )  # fmt: skip
        else:
            _log.warning("grounding keeps up: back to overload step %d, %s", step, now)
