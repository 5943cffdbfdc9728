"""What the tracker remembers of an alert while it lives; msgspec types, so that it can be stored.

An alert's extent is the hull of its segments. A segment is one stretch that windows agree about:
each window adds at most one moment to it, and its boundaries follow the best of the recent ones.
"""

import msgspec

from grounding.alert import Alert, AlertState
from grounding.config import AlertSettings
from grounding.moment import Moment
from streamer.clip import CLIP_SECONDS

CLIP_EDGE_SECONDS = CLIP_SECONDS  # a moment that ends within the newest clip may still run on
OLD_CURVE_POINTS = 128  # of a long alert's curve, older than any window; more become coarser
SAME_SEGMENT = 0.5  # of the shorter one's length; an overlap that large means the same stretch


class Evidence(msgspec.Struct, frozen=True):
    """One window's moment: `at` is how far that window had seen."""

    at: float
    start: float
    end: float
    score: float
    running: bool  # it reached the last clip: its end is only where the pictures ended


class Segment(msgspec.Struct):
    """A stretch of an alert; `recent` evidence is in the order of windows, never empty."""

    recent: list[Evidence]

    @property
    def extent(self) -> tuple[float, float]:
        """(start, end) of the best recent moment; while that one runs, the newest one's end."""
        best = max(self.recent, key=lambda evidence: (evidence.score, evidence.at))
        newest = self.recent[-1]
        runs_on = best.running and newest.end > best.start
        return best.start, newest.end if runs_on else best.end

    def add(self, evidence: Evidence, recent_seconds: float) -> None:
        """Take a newer moment; of two from one window the better one stays."""
        newest = self.recent[-1]
        if evidence.at == newest.at:
            self.recent[-1] = max(newest, evidence, key=lambda one: one.score)
            return
        oldest = evidence.at - recent_seconds
        self.recent = [old for old in self.recent if old.at > oldest] + [evidence]

    def holds(self, moment: Moment) -> bool:
        """Whether the moment is about this stretch."""
        start, end = self.extent
        shared = min(end, moment.end) - max(start, moment.start)
        return shared > 0 and shared >= SAME_SEGMENT * min(end - start, moment.end - moment.start)


class TrackedAlert(msgspec.Struct, kw_only=True):
    """An alert's state; `revision` 0 is a candidate that nobody has been told about."""

    alert_id: str
    query_id: str
    query: str
    query_version: int
    severity: str
    camera_id: str
    session: int
    first_clip: int
    not_before: float  # the end of an alert that closed earlier: this one is about what follows
    segments: list[Segment]
    settled: tuple[float, float] | None = None  # hull of segments that no window sees any more
    score: float = 0.0
    curve: dict[int, float] = {}  # UTC milliseconds of a clip's middle: probability
    revision: int = 0
    told: tuple[float, float, float] = (0.0, 0.0, 0.0)  # start, end, score of the last event
    # What its query asks for beyond the settings, so that it can close when the query is gone.
    for_seconds: float = 0.0
    keep_firing_for_seconds: float = 0.0

    @property
    def extent(self) -> tuple[float, float]:
        """(start, end) of the whole event as far as it is known."""
        hulls = [segment.extent for segment in self.segments]
        if self.settled is not None:
            hulls.append(self.settled)
        start = max(min(start for start, _ in hulls), self.not_before)
        return start, max(start, *(end for _, end in hulls))

    @property
    def supported_until(self) -> float:
        """The last moment any recent window speaks for, which may lie behind the chosen end."""
        newest = [segment.recent[-1].end for segment in self.segments]
        return max(self.extent[1], *newest) if newest else self.extent[1]

    @property
    def seen_until(self) -> float:
        """How far the newest window that spoke for it had seen."""
        return max((segment.recent[-1].at for segment in self.segments), default=self.extent[1])

    def hold_seconds(self, settings: AlertSettings) -> float:
        """The largest pause inside this alert."""
        return max(settings.hold_seconds, self.keep_firing_for_seconds)

    def lasts(self, settings: AlertSettings) -> bool:
        """Whether its event has lasted as long as it must before anyone is told."""
        start, end = self.extent
        return end - start >= max(settings.for_seconds, self.for_seconds)

    def gap(self, moment: Moment) -> float:
        """Seconds between this alert and a moment; negative where they overlap."""
        return max(moment.start - self.supported_until, self.extent[0] - moment.end)

    def add(self, moment: Moment, at: float, settings: AlertSettings) -> None:
        """Take in a moment of the window that had seen until `at`."""
        segment = next((segment for segment in self.segments if segment.holds(moment)), None)
        start = moment.start
        if segment is not None:
            known = segment.extent[0]
            # A beginning that has left the window is not seen any more: nothing can move it.
            if known < min(at, moment.seen_until) - settings.window_seconds:
                start = min(start, known)
        evidence = Evidence(
            at=at,
            start=start,
            end=moment.end,
            score=moment.score,
            running=moment.end >= moment.seen_until - CLIP_EDGE_SECONDS,
        )
        if segment is None:
            self.segments.append(Segment([evidence]))
        else:
            segment.add(evidence, settings.recent_seconds)
        self.score = max(self.score, moment.score)
        self._settle(at - settings.window_seconds)
        self._remember_curve(moment, settings.saliency_context_seconds)
        self._thin_curve(at - settings.window_seconds)

    def changed(self, settings: AlertSettings) -> bool:
        """Whether it differs from what was told by more than the settings let pass."""
        (start, end), (told_start, told_end, told_score) = self.extent, self.told
        moved = max(abs(start - told_start), abs(end - told_end))
        return moved >= settings.update_seconds or self.score - told_score >= settings.update_score

    def tell(self, state: AlertState, at: float, bundle: str, context_seconds: float) -> Alert:
        """The next event of this alert."""
        start, end = self.extent
        self.revision += 1
        self.told = (start, end, self.score)
        return Alert(
            alert_id=self.alert_id,
            revision=self.revision,
            state=state,
            query_id=self.query_id,
            query=self.query,
            query_version=self.query_version,
            severity=self.severity,
            camera_id=self.camera_id,
            session=self.session,
            start=start,
            end=end,
            score=self.score,
            saliency=self._curve_between(start - context_seconds, end + context_seconds),
            at=at,
            bundle=bundle,
        )

    def _settle(self, before: float) -> None:
        """Fold segments that have left every window, so that a day-long alert stays small."""
        old = [segment for segment in self.segments if segment.recent[-1].at < before]
        if not old:
            return
        hulls = [segment.extent for segment in old]
        if self.settled is not None:
            hulls.append(self.settled)
        self.settled = (min(start for start, _ in hulls), max(end for _, end in hulls))
        self.segments = [segment for segment in self.segments if segment.recent[-1].at >= before]

    def _remember_curve(self, moment: Moment, context_seconds: float) -> None:
        start, end = self.extent
        low = min(start, moment.start) - context_seconds
        high = max(end, moment.end) + context_seconds
        self.curve.update(
            (round(1000 * at), value) for at, value in moment.saliency if low <= at <= high
        )

    def _thin_curve(self, before: float) -> None:
        """Of points that no window sees any more the highest of each stretch of time stays."""
        old = [at for at in self.curve if at < 1000 * before]
        if len(old) <= OLD_CURVE_POINTS:
            return
        stretch = 1000 * CLIP_SECONDS
        while (max(old) - min(old)) / stretch > OLD_CURVE_POINTS / 2:
            stretch *= 2
        highest: dict[float, int] = {}
        for at in old:
            known = highest.setdefault(at // stretch, at)
            if self.curve[at] > self.curve[known]:
                highest[at // stretch] = at
        for at in set(old) - set(highest.values()):
            del self.curve[at]

    def _curve_between(self, low: float, high: float) -> tuple[tuple[float, float], ...]:
        return tuple(
            (at / 1000, value)
            for at, value in sorted(self.curve.items())
            if low <= at / 1000 <= high
        )
