"""Embeddings in, alerts out, and of every second whether it was watched."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from encoder.embedding import ClipEmbedding
from grounding import metrics
from grounding.alert import Alert
from grounding.alert_state import CameraState
from grounding.blind import EVERY_QUERY, BlindPeriod
from grounding.blind_ledger import INSTANT, BlindLedger, Taken
from grounding.camera_kinds import CameraKinds
from grounding.config import GroundingConfig
from grounding.counts import GroundingCounts, timed
from grounding.coverage import Coverage
from grounding.evaluator import WindowEvaluator
from grounding.overload import LAST_STEP, NEWEST_OF, Overload, Work
from grounding.parts import GroundingParts
from grounding.query import StandingQuery
from grounding.tracker import AlertTracker
from grounding.window import Window
from grounding.window_buffer import Push, WindowBuffer

__all__ = ["Grounder", "GroundingCounts"]

FILL_BATCH = 64  # clips whose gate vectors are made at once while windows are filled


@dataclass(frozen=True, slots=True, eq=False)
class _Due:
    """A window to be evaluated, the time it settles, and whether overload may leave it out."""

    window: Window
    taken: Taken
    live: bool


class Grounder:
    """Evaluates every due window for all queries. Time comes from the data, or through `tick`.

    Windows are evaluated together where several are due, with the alerts of one by one. What is
    not evaluated is told by `take_blind`. A camera may be put down at any time with `camera_state`
    and `drop`, and taken up elsewhere with `restore_camera` and `fill`.
    """

    def __init__(
        self,
        parts: GroundingParts,
        tracker: AlertTracker,
        config: GroundingConfig,
        coverage: Coverage | None = None,
        overload: Overload | None = None,
    ) -> None:
        self._parts = parts
        self._tracker = tracker
        self._config = config
        self._coverage = coverage
        self._overload = overload or Overload(config.overload)
        self._ledger = BlindLedger(config.backlog_grace_seconds, coverage)
        self._kinds = CameraKinds()
        self.counts = GroundingCounts()
        clock = self._overload.clock
        self._evaluator = WindowEvaluator(parts, tracker, config, self.counts, clock)

    @property
    def tracker(self) -> AlertTracker:
        """Where the alerts live."""
        return self._tracker

    @property
    def windows(self) -> WindowBuffer:
        """Where the windows live."""
        return self._parts.buffer

    @property
    def gone(self) -> frozenset[str]:
        """Forgotten cameras of which it is remembered since when they are gone."""
        return self._ledger.gone

    def records_wanted(self, usual: int) -> int:
        """How many records to read at once: more than usual where only the newest count."""
        return max(usual, NEWEST_OF) if self._overload.step == LAST_STEP else usual

    def watch(self, queries: Sequence[StandingQuery]) -> None:
        """Watch for these queries from the next window on, in place of the former ones."""
        self._evaluator.watch(queries)

    def evaluate(
        self, embeddings: Sequence[ClipEmbedding], lag_seconds: float = 0.0
    ) -> list[Alert]:
        """Alert events of these clips, in the order they came.

        `lag_seconds` says how long ago they were published: where that goes on growing, live
        cameras are not evaluated in full (`grounding.overload`).

        Raises ForeignSpaceError for a vector of another space, and then takes in none of them.
        """
        for embedding in embeddings:
            self._parts.buffer.check(embedding)
        unseen = _older(embeddings) if self._overload.relief.newest_only else set()
        size = self._config.window_batch
        alerts: list[Alert] = []
        for first in range(0, len(embeddings), size):
            batch = embeddings[first : first + size]
            with self._overload.measured(_live(batch), len(batch), lag_seconds) as work:
                alerts += self._evaluate(self._take_in(batch), unseen, work)
        return _counted(alerts)

    def fill(self, embeddings: Sequence[ClipEmbedding]) -> None:
        """Take clips into their windows that were evaluated before: nothing is told or counted."""
        for embedding in embeddings:
            self._parts.buffer.check(embedding)
        for first in range(0, len(embeddings), FILL_BATCH):
            for embedding, _ in self._push(embeddings[first : first + FILL_BATCH]):
                self._kinds.note(embedding)

    def tick(self, now: float, silent: Collection[str] | None = None) -> list[Alert]:
        """Let wall-clock time go on for live cameras, so that alerts close on silence too.

        `silent` names the cameras of which nothing is on its way any more; None means all. Those
        that stay silent are blind.
        """
        self._overload.tick()
        if self._coverage is not None:
            self._coverage.tell()
        at = now - self._config.silence_grace_seconds
        live = self._kinds.live
        cameras = sorted(live if silent is None else set(silent).intersection(live))
        for camera in cameras:
            self._ledger.silence(camera, now)
        return _counted([a for camera in cameras for a in self._tracker.advance(camera, at)])

    def take_blind(self) -> list[BlindPeriod]:
        """The blind periods since the last call.

        They belong into one commit with the states of the cameras they name: otherwise a restart
        would tell them again.
        """
        return self._ledger.take_periods()

    def camera_state(self, camera_id: str) -> CameraState | None:
        """All that another worker needs to go on with the camera; None for one not known."""
        covered, tracks = self._ledger.covered(camera_id), self._tracker.camera_snapshot(camera_id)
        if covered is None and not tracks:
            return None
        return CameraState(
            camera_id=camera_id,
            clock=self._tracker.clock(camera_id),
            live=camera_id in self._kinds.live,
            covered=covered,
            tracks=tracks,
        )

    def restore_camera(self, state: CameraState) -> None:
        """Put the camera back as it was, whatever is known of it now; its windows are empty.

        Raises msgspec.DecodeError for tracks or alerts that are none, and then knows nothing of
        the camera.
        """
        self._put_down(state.camera_id)
        if state.tracks:
            self._tracker.restore_camera(state.camera_id, state.tracks)
        else:
            self._tracker.restore_alerts(state.alerts)
        if state.covered is not None:
            self._ledger.restore(state.camera_id, state.covered)
        self._kinds.set(state.camera_id, state.live)

    def put_back(self, camera_id: str, state: CameraState | None) -> None:
        """The camera is as it was when `camera_state` gave this, but for its windows."""
        if state is not None:
            self.restore_camera(state)
            return
        self._put_down(camera_id)
        if self._coverage is not None:
            self._coverage.forget(camera_id)

    def drop(self, cameras: Collection[str]) -> None:
        """Forget these cameras, whatever is open: another worker goes on with them."""
        for camera_id in cameras:
            self.put_back(camera_id, None)
            self._ledger.drop(camera_id)

    def forget(self, camera_id: str) -> bool:
        """Free the memory of a live camera that is gone, or of a file that is over.

        False while it has alerts, or the file goes on.
        """
        if self._kinds.is_over(camera_id):
            self._tracker.drop(camera_id)
        elif camera_id not in self._kinds.live or not self._tracker.forget(camera_id):
            return False
        self._parts.buffer.forget(camera_id)
        self._ledger.forget(camera_id)
        self._kinds.forget(camera_id)
        return True

    def finish_films(self, silent: Collection[str]) -> list[Alert]:
        """Close the alerts of those files among these of which nothing more comes.

        They close at the file's own time, and nothing is told as blind: a file just ends. Should
        more come of it, that is evaluated as usual.
        """
        over = self._kinds.end_films(silent)
        return _counted([alert for one in over for alert in self._tracker.finish(one)])

    def finish(self, camera_id: str | None = None) -> list[Alert]:
        """Close the alerts of a camera whose source has ended, or of all cameras."""
        return _counted(self._tracker.finish(camera_id))

    def _put_down(self, camera_id: str) -> None:
        self._parts.buffer.forget(camera_id)
        self._tracker.drop(camera_id)
        self._ledger.take_back(camera_id)
        self._kinds.forget(camera_id)

    def _take_in(self, embeddings: Sequence[ClipEmbedding]) -> list[_Due]:
        due: list[_Due] = []
        ignored = self._parts.buffer.ignored.copy()
        for embedding, push in self._push(embeddings):
            if push.window is not None:
                self._note_rewind(push.window)
                taken = self._ledger.take(embedding)
                self.counts.count_due(taken.missing, push.window.clip_seconds)
                due.append(_Due(push.window, taken, self._kinds.note(embedding)))
        for reason, count in (self._parts.buffer.ignored - ignored).items():
            metrics.IGNORED_EMBEDDINGS.labels(reason).inc(count)
        return due

    def _push(self, embeddings: Sequence[ClipEmbedding]) -> Iterator[tuple[ClipEmbedding, Push]]:
        with timed("gate"):
            vectors = np.stack([embedding.vector for embedding in embeddings])  # [M, D]
            gate_vectors = self._parts.gate.clip_vectors(vectors)  # [M, G]
        for embedding, gate_vector in zip(embeddings, gate_vectors, strict=True):
            yield embedding, self._parts.buffer.push(embedding, gate_vector)

    def _note_rewind(self, window: Window) -> None:
        """A file that is read again from its beginning gives the alerts that it gave before.

        They have the same ids and revisions, so whoever keeps them knows them. What is remembered
        of the end of the file would only make others of them.
        """
        camera_id, at = window.camera_id, window.seen_until
        if window.is_film and self._tracker.clock(camera_id) > at + INSTANT:
            self._tracker.rewind(camera_id, window.session, at)

    def _evaluate(
        self, due: Sequence[_Due], unseen: Collection[tuple[str, int, int]], work: Work
    ) -> list[Alert]:
        left_out = [one for one in due if _key(one.window) in unseen]
        if left_out:
            self._leave_out(left_out, work)
            due = [one for one in due if _key(one.window) not in unseen]
        windows = [one.window for one in due]
        made = self._evaluator.evaluate(windows, self._overload.relief, [one.live for one in due])
        for row, (queries, share) in made.skipped.items():
            self._ledger.skip(windows[row].camera_id, due[row].taken, queries, share)
        work.add(made.work)
        return made.alerts

    def _leave_out(self, due: Sequence[_Due], work: Work) -> None:
        """Tell of windows that nobody looks at; where no query watches, nothing is missed."""
        watching = self._evaluator.watching([one.window for one in due])
        for one, queries in zip(due, watching, strict=True):
            if not queries:
                continue
            work.left_out[LAST_STEP] += 1
            metrics.EVALUATIONS_SKIPPED.labels(str(LAST_STEP)).inc(queries)
            self.counts.count_unseen(one.window.clip_seconds)
            self._ledger.skip(one.window.camera_id, one.taken, EVERY_QUERY, 1.0)


def _live(embeddings: Sequence[ClipEmbedding]) -> list[ClipEmbedding]:
    return [one for one in embeddings if one.clock_source != "file"]


def _older(embeddings: Sequence[ClipEmbedding]) -> set[tuple[str, int, int]]:
    """Of live cameras all clips but the newest."""
    newest: dict[str, tuple[int, int]] = {}
    places = [(one.camera_id, one.session, one.index) for one in _live(embeddings)]
    for camera_id, session, index in places:
        newest[camera_id] = max(newest.get(camera_id, (session, index)), (session, index))
    return {place for place in places if newest[place[0]] != place[1:]}


def _key(window: Window) -> tuple[str, int, int]:
    return window.camera_id, window.session, window.index


def _counted(alerts: list[Alert]) -> list[Alert]:
    for alert in alerts:
        metrics.ALERTS.labels(alert.severity, alert.state).inc()
    return alerts
