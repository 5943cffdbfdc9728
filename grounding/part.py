"""The grounding part of a running server: queries come and go, open alerts outlive it."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from threading import Event

from encoder.bundle import Bundle
from grounding.config import GroundingConfig
from grounding.coverage import Coverage
from grounding.grounder import Grounder, GroundingCounts
from grounding.overload import Overload
from grounding.parts import GroundingParts, load_parts
from grounding.query_book import QueryBook
from grounding.query_intake import QueryIntake
from grounding.tracker import AlertTracker
from grounding.worker import GroundingWorker
from streamer.bus import Bus
from streamer.errors import BusClosedError


class GroundingPart:
    """Evaluates the windows of all cameras for whichever queries are armed.

    Before the first window it reads all queries there are; of each partition that it gets, what
    was remembered of its cameras. At the end it finishes the alerts topic and leaves open alerts
    open. Embeddings of another bundle are put aside, counted and told of once a minute. `clock`
    says what time it is, `steady` how much of it has passed.
    """

    name = "grounding"

    def __init__(
        self,
        bus: Bus,
        parts: GroundingParts,
        config: GroundingConfig,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._config = replace(config, resumable=True)
        self._clock = clock
        self._steady = steady
        self._book = QueryBook(parts.calibration, parts.buffer.space_id)
        tracker = AlertTracker(config.alerts, parts.name, keep_snapshots=True)
        overload = Overload(config.overload, steady)
        self._grounder = Grounder(parts, tracker, self._config, Coverage(clock), overload)
        self._worker: GroundingWorker | None = None

    @property
    def ready(self) -> bool:
        """Whether all queries have been read, and all windows are as they were before.

        False again while it is agreed anew who reads which cameras.
        """
        return self._worker is not None and self._worker.ready

    @property
    def counts(self) -> GroundingCounts:
        """What happened to windows and pairs so far."""
        return self._grounder.counts

    def run(self, stop: Event) -> None:
        """Blocks until the embeddings end, `stop` is set or the bus is closed."""
        try:
            with closing(QueryIntake(self._bus, self._book, self._clock)) as queries:
                queries.read_whole(stop)
                self._grounder.watch(queries.changes() or ())
                self._worker = GroundingWorker(
                    self._bus, self._grounder, self._config, self._clock, queries, self._steady
                )
                self._worker.run(stop)
        except BusClosedError:
            return


def build(config: GroundingConfig, bundle: Bundle, bus: Bus) -> GroundingPart:
    """The grounding part, the bundle's graphs loaded; raises what `load_parts` raises."""
    return GroundingPart(bus, load_parts(bundle, config), config)
