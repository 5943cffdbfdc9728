"""The grounding part of a running server: queries come and go, open alerts outlive it."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from threading import Event

import msgspec

from encoder.bundle import Bundle
from grounding.alert_state import unpack_alert_state
from grounding.config import GroundingConfig
from grounding.coverage import Coverage
from grounding.grounder import Grounder, GroundingCounts
from grounding.metrics import UNREADABLE_STATES
from grounding.parts import GroundingParts, load_parts
from grounding.query_book import QueryBook
from grounding.query_intake import FIRST_POLL_SECONDS, QueryIntake
from grounding.tracker import AlertTracker
from grounding.worker import GroundingWorker
from streamer.bus import ALERT_STATE, Bus, Record
from streamer.errors import BusClosedError, RecordError

_log = logging.getLogger(__name__)


class GroundingPart:
    """Evaluates the windows of all cameras for whichever queries are armed.

    Before the first window it reads all queries there are, and the open alerts of the last run.
    When the embeddings end it finishes the alerts topic and leaves open alerts open.
    """

    name = "grounding"

    def __init__(
        self,
        bus: Bus,
        parts: GroundingParts,
        config: GroundingConfig,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._config = replace(config, resumable=True)
        self._clock = clock
        self._book = QueryBook(parts.calibration, parts.buffer.space_id)
        tracker = AlertTracker(config.alerts, parts.name, keep_snapshots=True)
        self._grounder = Grounder(parts, tracker, self._config, Coverage(clock))
        self._ready = Event()

    @property
    def ready(self) -> bool:
        """Whether the queries and open alerts that were there at the start have been read."""
        return self._ready.is_set()

    @property
    def counts(self) -> GroundingCounts:
        """What happened to windows and pairs so far."""
        return self._grounder.counts

    def run(self, stop: Event) -> None:
        """Blocks until the embeddings end, `stop` is set or the bus is closed.

        Raises ForeignSpaceError for embeddings of another bundle.
        """
        try:
            with closing(QueryIntake(self._bus, self._book, self._clock)) as queries:
                worker = GroundingWorker(
                    self._bus, self._grounder, self._config, self._clock, queries
                )
                queries.read_whole(stop)
                worker.hear(self._restore(stop))
                self._grounder.watch(queries.changes() or ())
                self._ready.set()
                worker.run(stop)
        except BusClosedError:
            return

    def _restore(self, stop: Event) -> set[str]:
        """Go on with the open alerts on the topic; the cameras they are on."""
        cameras: set[str] = set()
        with closing(self._bus.subscribe(ALERT_STATE.name)) as subscription:
            while not stop.is_set():
                for record in subscription.poll(FIRST_POLL_SECONDS):
                    cameras |= self._restore_record(record)
                if subscription.caught_up:
                    break
        return cameras

    def _restore_record(self, record: Record) -> set[str]:
        if record.value is None:
            return set()
        try:
            return self._grounder.restore(unpack_alert_state(record.value).alerts)
        except (RecordError, msgspec.MsgspecError) as error:
            UNREADABLE_STATES.inc()
            _log.error("the open alerts of camera %s cannot be gone on with: %s", record.key, error)
            return set()


def build(config: GroundingConfig, bundle: Bundle, bus: Bus) -> GroundingPart:
    """The grounding part, the bundle's graphs loaded; raises what `load_parts` raises."""
    return GroundingPart(bus, load_parts(bundle, config), config)
