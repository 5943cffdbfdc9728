"""The blind ledger: every second of a camera is watched or told as blind, once, with its reason.

Of each camera it knows how far that is settled (`Covered`). What a clip leaves open behind it is
told when the next one comes:

    session 1             gap              session 2
    |--0--|--1--|xx|                       |--0--| lag | stream |--3--|
                   ^until    ^watched_since              skipped=1
                   | restart | stream      |

A clip that ends short counts to where its pictures end, if its session ends with it; inside a
session it counts whole, and only missing clips are blind. Time that was told as blind stays so,
even if its clips come late. Nothing is owed before a camera's first session; of one that is met in
the middle of a session (its state was lost, or forgotten) nothing before that clip.
"""

from dataclasses import dataclass

import msgspec

from encoder.embedding import ClipEmbedding
from grounding import metrics
from grounding.blind import EVERY_QUERY, BlindPeriod, BlindReason, Covered
from grounding.coverage import Coverage
from grounding.window import WINDOW_CLIPS

SILENCE_SECONDS = 60.0  # a silent camera is told of this often
KEPT_GONE = 4096  # cameras that were forgotten and may come back; of more the oldest give way
INSTANT = 0.001  # sessions begin on whole milliseconds: what is shorter is no gap


@dataclass(frozen=True, slots=True)
class Taken:
    """What a clip settles: its own time, as far as it was open, and clips missing before it."""

    start: float  # UTC seconds
    end: float
    missing: int = 0

    @property
    def seconds(self) -> float:
        """How much of the camera's time the clip shows first."""
        return self.end - self.start


class BlindLedger:
    """Blind periods of all cameras, until `take_periods`; sums go to metrics and `coverage`.

    Of a silent camera only what lies `grace_seconds` back is told: until then its clips may be on
    their way.
    """

    def __init__(self, grace_seconds: float, coverage: Coverage | None = None) -> None:
        self._grace_seconds = grace_seconds
        self._coverage = coverage
        self._covered: dict[str, Covered] = {}
        self._gone: dict[str, Covered] = {}
        self._silent_since: dict[str, float] = {}
        self._periods = _Periods()

    def covered(self, camera_id: str) -> Covered | None:
        """How far the camera's time is settled, for `restore`; None for one that is not known."""
        return self._covered.get(camera_id)

    def restore(self, camera_id: str, covered: Covered) -> None:
        """Put the camera back as it was, whatever is known of it now."""
        self.drop(camera_id)
        self._covered[camera_id] = covered

    def take(self, clip: ClipEmbedding) -> Taken:
        """Settle the time up to the clip's end: it is evaluated, what is missing before it told."""
        camera = clip.camera_id
        self._silent_since.pop(camera, None)
        before = self._covered.get(camera) or self._gone.get(camera)
        if before is None:
            before = _before_first(clip)
        if (clip.session, clip.index) <= (before.session, before.index):
            return Taken(before.until, before.until)
        same = clip.session == before.session
        missing = clip.index - before.index - 1 if same else clip.index
        until = self._close_gap(before, clip, missing)
        seconds = clip.end - clip.start
        lost_until = clip.start - min(clip.skipped, missing) * seconds
        self._blind(camera, until, lost_until, "lag")
        self._blind(camera, max(until, lost_until), clip.start, "stream")
        start = max(until, clip.start)
        taken = Taken(start, max(start, clip.seen_until), missing)
        self._covered[camera] = Covered(clip.session, clip.index, taken.end)
        self._note(camera, taken.seconds, taken.seconds)
        return taken

    def skip(self, camera_id: str, taken: Taken, queries: tuple[str, ...], share: float) -> None:
        """Tell that these queries did not see the clip; they are `share` of those that should."""
        if taken.seconds < INSTANT:
            return
        self._periods.add(camera_id, (taken.start, taken.end), "overload", queries)
        metrics.BLIND_SECONDS.labels("overload").inc(share * taken.seconds)
        self._note(camera_id, 0.0, -share * taken.seconds)

    def silence(self, camera_id: str, now: float) -> None:
        """Nothing of the camera is on its way: tell of it once a minute."""
        since = self._silent_since.setdefault(camera_id, now)
        covered, end = self._covered.get(camera_id), now - self._grace_seconds
        if covered is None or since > end or end - covered.until < SILENCE_SECONDS:
            return
        self._blind(camera_id, covered.until, end, "stream")
        self._covered[camera_id] = msgspec.structs.replace(covered, until=end)

    def take_periods(self) -> list[BlindPeriod]:
        """The periods since the last call; contiguous ones are one."""
        periods, self._periods = self._periods, _Periods()
        return periods.drawn()

    def forget(self, camera_id: str) -> None:
        """The camera is gone. If it comes back to this process, its absence is told then."""
        covered = self._covered.pop(camera_id, None)
        self._silent_since.pop(camera_id, None)
        if covered is not None:
            self._gone.pop(camera_id, None)  # it moves to the end: the longest gone gives way
            self._gone[camera_id] = covered
            if len(self._gone) > KEPT_GONE:
                del self._gone[next(iter(self._gone))]

    @property
    def gone(self) -> frozenset[str]:
        """Cameras that were forgotten, whose absence is told if they come back."""
        return frozenset(self._gone)

    def drop(self, camera_id: str) -> None:
        """Another worker goes on with the camera: nothing more is told of it here."""
        self.take_back(camera_id)
        self._gone.pop(camera_id, None)

    def take_back(self, camera_id: str) -> None:
        """The camera did not come: it is not known, but its absence stays as long as it was."""
        self._covered.pop(camera_id, None)
        self._silent_since.pop(camera_id, None)
        self._periods.drop(camera_id)

    def _close_gap(self, before: Covered, clip: ClipEmbedding, missing: int) -> float:
        """Settle what lies before the first missing clip; until when all is settled then."""
        first = clip.start - missing * (clip.end - clip.start)
        open_seconds = first - before.until
        if open_seconds <= 0:
            return before.until
        if clip.session == before.session:  # the rest of a clip that ended short
            self._note(clip.camera_id, open_seconds, open_seconds)
            return first
        if clip.clock_source == "file":  # nobody was to watch what was never filmed
            return first
        watched = min(max(before.until, clip.watched_since), first)
        self._blind(clip.camera_id, before.until, watched, "restart")
        self._blind(clip.camera_id, watched, first, "stream")
        return first

    def _blind(self, camera_id: str, start: float, end: float, reason: BlindReason) -> None:
        if end - start < INSTANT:
            return
        self._periods.add(camera_id, (start, end), reason, EVERY_QUERY)
        metrics.BLIND_SECONDS.labels(reason).inc(end - start)
        self._note(camera_id, end - start, 0.0)

    def _note(self, camera_id: str, owed: float, evaluated: float) -> None:
        if self._coverage is not None:
            self._coverage.note(camera_id, owed, evaluated)


def _before_first(clip: ClipEmbedding) -> Covered:
    """What counts as settled of a camera that is not known.

    The first clips of a new camera may have been dropped on their way: they are owed. A session
    that has run for longer than a window was watched by somebody whose state is gone.
    """
    owed = clip.index if clip.index < WINDOW_CLIPS else 0
    start = clip.start - owed * (clip.end - clip.start)
    return Covered(clip.session, clip.index - owed - 1, start)


class _Periods:
    """Periods in the order they began to be told; one that goes on is made longer."""

    def __init__(self) -> None:
        self._drawn: list[BlindPeriod] = []
        self._newest: dict[tuple[str, BlindReason, tuple[str, ...]], int] = {}

    def add(
        self,
        camera_id: str,
        period: tuple[float, float],
        reason: BlindReason,
        queries: tuple[str, ...],
    ) -> None:
        start, end = period
        key = (camera_id, reason, queries)
        place = self._newest.get(key)
        if place is not None and abs(self._drawn[place].end - start) < INSTANT:
            self._drawn[place] = msgspec.structs.replace(self._drawn[place], end=end)
            return
        self._newest[key] = len(self._drawn)
        self._drawn.append(
            BlindPeriod(camera_id=camera_id, start=start, end=end, reason=reason, queries=queries)
        )

    def drawn(self) -> list[BlindPeriod]:
        return self._drawn

    def drop(self, camera_id: str) -> None:
        if all(period.camera_id != camera_id for period in self._drawn):
            return
        self._drawn = [period for period in self._drawn if period.camera_id != camera_id]
        self._newest = {
            (period.camera_id, period.reason, period.queries): place
            for place, period in enumerate(self._drawn)
        }
