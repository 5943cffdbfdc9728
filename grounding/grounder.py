"""Embeddings in, alerts out: scope, gate, detector, calibration and tracker in one walk."""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.embedding import ClipEmbedding
from grounding import metrics
from grounding.alert import Alert
from grounding.calibration import clips_inside, span_features, text_cosines
from grounding.config import GroundingConfig
from grounding.coverage import Coverage
from grounding.detector import Grounding
from grounding.locate import curve, locate
from grounding.moment import Moment, Span
from grounding.parts import GroundingParts
from grounding.query import StandingQuery
from grounding.scope import Scope
from grounding.tracker import AlertTracker
from grounding.window import Window

Groundings = dict[tuple[int, int], Grounding]  # by (window, query) of a batch


@dataclass(slots=True)
class GroundingCounts:
    """What happened to windows and pairs so far, for summaries."""

    windows: int = 0  # due
    blind: int = 0  # due, with the newest clip missing: nothing new to evaluate
    scope: int = 0  # pairs of an evaluated window and a query that watches its camera
    gate: int = 0  # pairs that passed the gate, or have an open or candidate alert
    detector: int = 0  # pairs the detector ran on, audits and looks ahead included
    contradicted: int = 0  # moments that a negative describes better
    blind_seconds: float = 0.0


class Grounder:
    """Evaluates every due window for all queries. Time comes from the data, or through `tick`.

    Windows are evaluated together where several are due, with the alerts of one by one.
    """

    def __init__(
        self,
        parts: GroundingParts,
        tracker: AlertTracker,
        config: GroundingConfig,
        coverage: Coverage | None = None,
    ) -> None:
        self._parts = parts
        self._tracker = tracker
        self._config = config
        self._coverage = coverage
        self._scope = Scope()
        self._queries: Sequence[StandingQuery] = ()
        self._columns: dict[str, list[int]] = {}  # of each query id: two while a version changes
        self._live_cameras: set[str] = set()
        self.counts = GroundingCounts()

    @property
    def tracker(self) -> AlertTracker:
        """Where the alerts live."""
        return self._tracker

    def watch(self, queries: Sequence[StandingQuery]) -> None:
        """Watch for these queries from the next window on, in place of the former ones."""
        self._parts.gate.watch(queries)
        self._scope.watch(queries)
        self._queries = tuple(queries)
        self._columns = {}
        for column, query in enumerate(self._queries):
            self._columns.setdefault(query.query_id, []).append(column)

    def evaluate(self, embeddings: Sequence[ClipEmbedding]) -> list[Alert]:
        """Alert events of these clips, in the order they came.

        Raises ForeignSpaceError for a vector of another space, and then takes in none of them.
        """
        for embedding in embeddings:
            self._parts.buffer.check(embedding)
        size = self._config.window_batch
        alerts: list[Alert] = []
        for first in range(0, len(embeddings), size):
            alerts += self._evaluate(self._take_in(embeddings[first : first + size]))
        return _counted(alerts)

    def tick(self, now: float, silent: Collection[str] | None = None) -> list[Alert]:
        """Let wall-clock time go on for live cameras, so that alerts close on silence too.

        `silent` names the cameras of which nothing is on its way any more; None means all.
        """
        if self._coverage is not None:
            self._coverage.tell()
        at = now - self._config.silence_grace_seconds
        live = self._live_cameras
        cameras = sorted(live if silent is None else live.intersection(silent))
        return _counted([a for camera in cameras for a in self._tracker.advance(camera, at)])

    def restore(self, snapshots: Iterable[bytes]) -> set[str]:
        """Go on with the alerts of an earlier run; their cameras, which count as live.

        Raises msgspec.DecodeError for bytes that are no snapshot, and then takes in none.
        """
        cameras = self._tracker.restore_alerts(snapshots)
        self._live_cameras |= cameras
        return cameras

    def forget(self, camera_id: str) -> bool:
        """Free the memory of a live camera that is gone; False while it has alerts."""
        if camera_id not in self._live_cameras or not self._tracker.forget(camera_id):
            return False
        self._parts.buffer.forget(camera_id)
        self._live_cameras.discard(camera_id)
        return True

    def finish(self, camera_id: str | None = None) -> list[Alert]:
        """Close the alerts of a camera whose source has ended, or of all cameras."""
        return _counted(self._tracker.finish(camera_id))

    def _take_in(self, embeddings: Sequence[ClipEmbedding]) -> list[Window]:
        buffer, windows = self._parts.buffer, []
        with _timed("gate"):
            vectors = np.stack([embedding.vector for embedding in embeddings])  # [M, D]
            gate_vectors = self._parts.gate.clip_vectors(vectors)  # [M, G]
        ignored = buffer.ignored.copy()
        for embedding, gate_vector in zip(embeddings, gate_vectors, strict=True):
            push = buffer.push(embedding, gate_vector)
            if push.window is not None:
                windows.append(push.window)
                self._count_due(push.missing, push.window)
                if embedding.clock_source != "file":
                    self._live_cameras.add(embedding.camera_id)
        for reason, count in (buffer.ignored - ignored).items():
            metrics.IGNORED_EMBEDDINGS.labels(reason).inc(count)
        return windows

    def _evaluate(self, windows: Sequence[Window]) -> list[Alert]:
        if not windows or not self._queries:
            return [a for w in windows for a in self._tracker.advance(w.camera_id, w.seen_until)]
        gate, tracker = self._parts.gate, self._tracker
        scope = self._scope.of(windows)  # [W, Q]
        self._count_scope(int(scope.sum()))
        with _timed("gate"):
            passed = gate.salient(windows) & scope
            audits = [gate.audited(window, self._config.audit_every) for window in windows]
            audited = np.stack(audits) & scope & ~passed
        known = self._ground(windows, passed | audited | self._active(windows, scope), {})
        alerts: list[Alert] = []
        for row, window in enumerate(windows):
            # Alerts of this very batch keep their pairs past the gate, as one by one would.
            active = self._active(windows[row:], scope[row:])
            ahead = np.zeros_like(scope)
            ahead[row:] = active & active[0]
            known = self._ground(windows, ahead, known)
            wanted = passed[row] | active[0]
            self._count_passed(int(wanted.sum()))
            self._count_audits(window, np.flatnonzero(audited[row] & ~wanted), row, known)
            with _timed("track"):
                for column in np.flatnonzero(wanted).tolist():
                    query = self._queries[column]
                    moments = self._moments(window, query, known[row, column])
                    alerts += tracker.update(query, window.camera_id, window.seen_until, moments)
                alerts += tracker.advance(window.camera_id, window.seen_until)
        return alerts

    def _active(self, windows: Sequence[Window], scope: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which pairs [W, Q] have an open or candidate alert now."""
        active = np.zeros_like(scope)
        for row, window in enumerate(windows):
            for query_id in self._tracker.active(window.camera_id):
                active[row, self._columns.get(query_id, [])] = True
        return active & scope

    def _ground(
        self, windows: Sequence[Window], wanted: NDArray[np.bool_], known: Groundings
    ) -> Groundings:
        """`known` with the groundings of all wanted pairs."""
        keys = [(row, column) for row, column in np.argwhere(wanted).tolist()]
        keys = [key for key in keys if key not in known]
        if not keys:
            return known
        with _timed("detector"):
            pairs = [(windows[row], self._queries[column]) for row, column in keys]
            found = self._parts.detector.ground(pairs)
        self.counts.detector += len(keys)
        metrics.EVALUATIONS.labels("detector").inc(len(keys))
        return known | dict(zip(keys, found, strict=True))

    def _moments(self, window: Window, query: StandingQuery, grounding: Grounding) -> list[Moment]:
        """The pair's moments at or above the query's threshold."""
        if not grounding.spans:
            return []
        calibration = self._parts.calibration
        features = span_features(grounding, grounding.spans, window, query)  # [S, F]
        scores = calibration.probability(features).tolist()
        scored = zip(grounding.spans, scores, strict=True)
        firing = [(span, score) for span, score in scored if score >= query.threshold]
        if not firing:
            return []
        kept = [pair for pair in firing if not contradicted(pair[0], window, query)]
        self.counts.contradicted += len(firing) - len(kept)
        saliency = curve(window, calibration.saliency_probability(grounding.global_saliency))
        shortest = self._config.min_moment_seconds
        return [locate(span, window, query, score, saliency, shortest) for span, score in kept]

    def _count_due(self, missing: int, window: Window) -> None:
        self.counts.windows += missing + 1
        self.counts.blind += missing
        self.counts.blind_seconds += missing * window.clip_seconds
        metrics.WINDOWS.labels("due").inc(missing + 1)
        metrics.WINDOWS.labels("blind").inc(missing)
        metrics.WINDOWS.labels("evaluated").inc()
        if self._coverage is not None:
            self._coverage.note(window.camera_id, due=missing + 1, evaluated=1)

    def _count_scope(self, pairs: int) -> None:
        self.counts.scope += pairs
        metrics.EVALUATIONS.labels("scope").inc(pairs)

    def _count_passed(self, pairs: int) -> None:
        self.counts.gate += pairs
        metrics.EVALUATIONS.labels("gate").inc(pairs)

    def _count_audits(
        self, window: Window, columns: NDArray[np.intp], row: int, known: Groundings
    ) -> None:
        """Look at what the gate refused, for metrics only."""
        for column in columns.tolist():
            missed = self._moments(window, self._queries[column], known[row, column])
            metrics.AUDITED.labels("missed" if missed else "agreed").inc()


def contradicted(span: Span, window: Window, query: StandingQuery) -> bool:
    """Whether one of the query's negatives describes the span's clips better than the query."""
    if not query.negatives:
        return False
    inside = clips_inside(span, window.mask)[None]  # [1, L]
    worst = max(text_cosines(negative, window, inside)[0] for negative in query.negatives)
    return bool(worst > text_cosines(query.features, window, inside)[0])


def _counted(alerts: list[Alert]) -> list[Alert]:
    for alert in alerts:
        metrics.ALERTS.labels(alert.severity, alert.state).inc()
    return alerts


@contextmanager
def _timed(stage: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        metrics.DURATION.labels(stage).observe(time.perf_counter() - began)
