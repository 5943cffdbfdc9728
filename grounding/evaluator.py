"""Due windows against all queries: scope, gate, detector, calibration and tracker in one walk."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grounding import metrics
from grounding.alert import Alert
from grounding.calibration import clips_inside, span_features, text_cosines
from grounding.config import GroundingConfig
from grounding.counts import GroundingCounts, timed
from grounding.detector import Grounding
from grounding.locate import curve, locate
from grounding.moment import Moment, Span
from grounding.overload import Relief, Work
from grounding.parts import GroundingParts
from grounding.query import StandingQuery
from grounding.scope import Scope
from grounding.tracker import AlertTracker
from grounding.window import Window

Groundings = dict[tuple[int, int], Grounding]  # by (window, query) of a batch
Pairs = NDArray[np.bool_]  # [W, Q]


@dataclass(slots=True)
class Evaluation:
    """What came of a batch of windows.

    `skipped` names, by window, the queries that overload kept from it, and which share they are of
    those that watch its camera.
    """

    alerts: list[Alert] = field(default_factory=list)
    skipped: dict[int, tuple[tuple[str, ...], float]] = field(default_factory=dict)
    work: Work = field(default_factory=Work)


class WindowEvaluator:
    """Evaluates windows together, with the alerts of one by one.

    With a relief (`grounding.overload`) it leaves pairs out, of the windows for which that is
    allowed. By `clock` it says how long the detector took.
    """

    def __init__(
        self,
        parts: GroundingParts,
        tracker: AlertTracker,
        config: GroundingConfig,
        counts: GroundingCounts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._parts = parts
        self._tracker = tracker
        self._config = config
        self._counts = counts
        self._scope = Scope()
        self._queries: Sequence[StandingQuery] = ()
        self._columns: dict[str, list[int]] = {}  # of each query id: two while a version changes

    def watch(self, queries: Sequence[StandingQuery]) -> None:
        """Watch for these queries from the next window on, in place of the former ones."""
        self._parts.gate.watch(queries)
        self._scope.watch(queries)
        self._queries = tuple(queries)
        self._columns = {}
        for column, query in enumerate(self._queries):
            self._columns.setdefault(query.query_id, []).append(column)

    def watching(self, windows: Sequence[Window]) -> list[int]:
        """How many queries watch each window."""
        return [int(pairs) for pairs in self._scope.of(windows).sum(axis=1)]

    def evaluate(
        self, windows: Sequence[Window], relief: Relief, may_skip: Sequence[bool]
    ) -> Evaluation:
        """Alerts of these windows, which are in the order they came."""
        made = Evaluation()
        self._counts.count_looked_at(len(windows))
        if not windows or not self._queries:
            for window in windows:
                made.alerts += self._tracker.advance(window.camera_id, window.seen_until)
            return made
        scope = self._scope.of(windows)
        self._counts.count_scope(int(scope.sum()))
        with timed("gate"):
            choice = self._choose(windows, scope, relief, may_skip)
            audited = self._audited(windows, scope & ~choice.passed, relief)
        wanted = choice.kept | audited | self._active(windows, scope)
        known = self._ground(windows, wanted, {}, made.work)
        for row, window in enumerate(windows):
            # Alerts of this very batch keep their pairs past the gate, as one by one would.
            active = self._active(windows[row:], scope[row:])
            ahead = np.zeros_like(scope)
            ahead[row:] = active & active[0]
            known = self._ground(windows, ahead, known, made.work)
            wanted_now = choice.kept[row] | active[0]
            self._counts.count_passed(int(wanted_now.sum()))
            self._count_audits(window, np.flatnonzero(audited[row] & ~wanted_now), row, known)
            self._note_skipped(made, row, choice, ~wanted_now & scope[row])
            made.alerts += self._track(row, window, np.flatnonzero(wanted_now), known)
        made.work.looked_at = sum(may_skip)
        return made

    def _choose(
        self, windows: Sequence[Window], scope: Pairs, relief: Relief, may_skip: Sequence[bool]
    ) -> "_Choice":
        gate = self._parts.gate
        saliency = gate.saliency(windows)  # [W, Q]
        passed = (saliency >= np.float32(gate.threshold)) & scope
        if relief.step == 0:
            return _Choice(passed, passed, passed, scope)
        spared = np.array([not skip for skip in may_skip])[:, None]  # [W, 1]
        raised = passed & (spared | (saliency >= gate.threshold + relief.threshold_delta))
        kept = raised
        if relief.pairs is not None:
            active = self._active(windows, scope)
            kept = _most_salient(raised, saliency, active, relief.pairs) | (raised & spared)
        return _Choice(passed, raised, kept, scope)

    def _audited(self, windows: Sequence[Window], refused: Pairs, relief: Relief) -> Pairs:
        if not relief.audits:
            return np.zeros_like(refused)
        every = self._config.audit_every
        return np.stack([self._parts.gate.audited(window, every) for window in windows]) & refused

    def _active(self, windows: Sequence[Window], scope: Pairs) -> Pairs:
        """Which pairs [W, Q] have an open or candidate alert now."""
        active = np.zeros_like(scope)
        for row, window in enumerate(windows):
            for query_id in self._tracker.active(window.camera_id):
                active[row, self._columns.get(query_id, [])] = True
        return active & scope

    def _ground(
        self, windows: Sequence[Window], wanted: Pairs, known: Groundings, work: Work
    ) -> Groundings:
        """`known` with the groundings of all wanted pairs."""
        keys = [(row, column) for row, column in np.argwhere(wanted).tolist()]
        keys = [key for key in keys if key not in known]
        if not keys:
            return known
        began = self._clock()
        with timed("detector"):
            pairs = [(windows[row], self._queries[column]) for row, column in keys]
            found = self._parts.detector.ground(pairs)
        work.detector_seconds += self._clock() - began
        work.pairs += len(keys)
        self._counts.count_detected(len(keys))
        return known | dict(zip(keys, found, strict=True))

    def _track(
        self, row: int, window: Window, columns: NDArray[np.intp], known: Groundings
    ) -> list[Alert]:
        alerts: list[Alert] = []
        with timed("track"):
            for column in columns.tolist():
                query = self._queries[column]
                moments = self._moments(window, query, known[row, column])
                alerts += self._tracker.update(query, window.camera_id, window.seen_until, moments)
            alerts += self._tracker.advance(window.camera_id, window.seen_until)
        return alerts

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
        self._counts.contradicted += len(firing) - len(kept)
        saliency = curve(window, calibration.saliency_probability(grounding.global_saliency))
        shortest = self._config.min_moment_seconds
        return [locate(span, window, query, score, saliency, shortest) for span, score in kept]

    def _count_audits(
        self, window: Window, columns: NDArray[np.intp], row: int, known: Groundings
    ) -> None:
        """Look at what the gate refused, for metrics only."""
        for column in columns.tolist():
            missed = self._moments(window, self._queries[column], known[row, column])
            metrics.AUDITED.labels("missed" if missed else "agreed").inc()

    def _note_skipped(
        self, made: Evaluation, row: int, choice: "_Choice", unwanted: NDArray[np.bool_]
    ) -> None:
        if choice.kept is choice.passed:
            return
        skipped = choice.passed[row] & unwanted  # [Q]
        if not skipped.any():
            return
        low, many = skipped & ~choice.raised[row], skipped & choice.raised[row]
        for step, pairs in ((1, int(low.sum())), (2, int(many.sum()))):
            made.work.left_out[step] += pairs
            metrics.EVALUATIONS_SKIPPED.labels(str(step)).inc(pairs)
        ids = {self._queries[column].query_id for column in np.flatnonzero(skipped).tolist()}
        share = int(skipped.sum()) / int(choice.scope[row].sum())
        made.skipped[row] = (tuple(sorted(ids)), share)


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """Pairs [W, Q] that pass the gate, those that a raised one lets through, those evaluated."""

    passed: Pairs
    raised: Pairs
    kept: Pairs
    scope: Pairs


def contradicted(span: Span, window: Window, query: StandingQuery) -> bool:
    """Whether one of the query's negatives describes the span's clips better than the query."""
    if not query.negatives:
        return False
    inside = clips_inside(span, window.mask)[None]  # [1, L]
    worst = max(text_cosines(negative, window, inside)[0] for negative in query.negatives)
    return bool(worst > text_cosines(query.features, window, inside)[0])


def _most_salient(passed: Pairs, saliency: NDArray[np.float32], active: Pairs, most: int) -> Pairs:
    """Up to `most` pairs of each window, the most salient; all with an alert count as taken."""
    kept = np.zeros_like(passed)
    for row in range(len(passed)):
        room = max(0, most - int(active[row].sum()))
        others = np.flatnonzero(passed[row] & ~active[row])
        best = others[np.argsort(-saliency[row, others], kind="stable")[:room]]
        kept[row, best] = True
    return kept
