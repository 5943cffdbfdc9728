"""Standing queries and their text features off the bus, while windows are evaluated."""

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

from encoder.errors import FeaturesRecordError
from encoder.text_features_record import unpack_text_features
from grounding import metrics
from grounding.query import StandingQuery
from grounding.query_book import QueryBook
from grounding.query_record import unpack_query
from streamer.bus import QUERIES, QUERY_FEATURES, Bus, Record
from streamer.dead_letter import dead_letter
from streamer.errors import RecordError
from streamer.metrics import DEAD_LETTER_COUNT

MAX_RECORDS = 256
FIRST_POLL_SECONDS = 0.2
FORMER_SECONDS = 120.0  # a window this much older than now is taken to have been evaluated

_log = logging.getLogger(__name__)


class QueryIntake:
    """Keeps a query book up to date; used by one thread."""

    def __init__(self, bus: Bus, book: QueryBook, clock: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._book = book
        self._clock = clock
        self._queries = bus.subscribe(QUERIES.name)
        self._features = bus.subscribe(QUERY_FEATURES.name)
        self._told: dict[str, str] = {}  # problems that were logged

    def read_whole(self, stop: Event) -> None:
        """Take in all that lies on the topics, or what comes until `stop` is set."""
        for subscription, take in (
            (self._queries, self._take_query),
            (self._features, self._take_features),
        ):
            self._read(subscription.poll(0.0, MAX_RECORDS), take)
            while not (subscription.caught_up or stop.is_set()):
                self._read(subscription.poll(FIRST_POLL_SECONDS, MAX_RECORDS), take)

    def changes(self) -> tuple[StandingQuery, ...] | None:
        """All queries to be watched from now on, if that changed; never waits."""
        self._read(self._queries.poll(0.0, MAX_RECORDS), self._take_query)
        self._read(self._features.poll(0.0, MAX_RECORDS), self._take_features)
        self._book.retire(self._clock() - FORMER_SECONDS)
        changes = self._book.take_changes()
        if changes is not None:
            self._tell(changes)
        return changes

    def close(self) -> None:
        """Leave the topics."""
        self._queries.close()
        self._features.close()

    def _read(self, records: Sequence[Record], take: Callable[[Record], None]) -> None:
        for record in records:
            try:
                take(record)
            except (RecordError, FeaturesRecordError) as error:
                DEAD_LETTER_COUNT.labels("grounding").inc()
                _log.warning("query %s: %s", record.key, error)
                self._bus.publish(dead_letter(record, 1, error))

    def _take_query(self, record: Record) -> None:
        query = None if record.value is None else unpack_query(record.value)
        self._book.take_query(record.key, query)

    def _take_features(self, record: Record) -> None:
        features = None if record.value is None else unpack_text_features(record.value)
        self._book.take_features(record.key, features)

    def _tell(self, watched: Sequence[StandingQuery]) -> None:
        problems = self._book.problems
        for query_id, problem in problems.items():
            if self._told.get(query_id) != problem:
                _log.warning("query %s is not watched for: %s", query_id, problem)
        self._told = problems
        ids = {query.query_id for query in watched}
        metrics.STANDING_QUERIES.labels("watched").set(len(ids))
        metrics.STANDING_QUERIES.labels("waiting").set(len(self._book.waiting))
        metrics.STANDING_QUERIES.labels("refused").set(len(problems))
