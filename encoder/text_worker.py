"""The encoder's other half: texts of standing queries in, their features out."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from encoder.embedding import TextFeatures
from encoder.errors import EncoderError, EngineError, FeaturesRecordError
from encoder.metrics import COMMITS_LOST, TEXTS
from encoder.space import EmbeddingSpace
from encoder.text_features_record import (
    QueryFeatures,
    features_of,
    pack_text_features,
    unpack_text_features,
)
from encoder.text_request import TextRequest, unpack_text_request
from streamer.bus import (
    QUERIES,
    QUERY_FEATURES,
    Bus,
    Message,
    Partitions,
    Position,
    Rebalance,
    Record,
    Subscription,
    partition_of,
)
from streamer.dead_letter import dead_letter
from streamer.errors import BusClosedError, CommitLostError, RecordError
from streamer.metrics import DEAD_LETTER_COUNT

GROUP = "watchword-query-texts"
POLL_SECONDS = 0.2  # how soon a stop is noticed while no query changes
_FEATURES_POLL_SECONDS = 0.05  # where nothing lies, that is known only after a poll
MAX_RECORDS = 64  # queries encoded together: of thousands the first need not wait for the last

_log = logging.getLogger(__name__)


class QueryTextEncoder(Protocol):
    """What the worker needs of `encoder.text.TextEncoder`."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space of the features."""

    def encode(self, texts: Sequence[str]) -> list[TextFeatures]:
        """Features of each text; raises EncoderError for one that cannot be encoded, but
        EngineError if what encodes them fails.
        """


@dataclass(frozen=True, slots=True)
class _Known:
    """What was published last of a query."""

    version: int
    texts: tuple[str, ...]  # none, if another process found that they cannot be encoded
    problem: str

    @classmethod
    def of(cls, features: QueryFeatures) -> "_Known":
        return cls(features.version, features.texts, features.problem)

    def answers(self, request: TextRequest) -> bool:
        return (self.version, self.texts) == (request.version, request.texts)


_OF_NO_USE = _Known(version=-1, texts=(), problem="")  # of another space, or damaged


class TextFeaturesWorker:
    """Publishes the text features of every standing query, once for each of its versions.

    A version that cannot be encoded is published with a sentence that says why; a query that was
    removed takes its features along. Several encoders share the queries by a group: whoever is
    given a partition reads the features that lie there, then the partition's queries from its
    start, and encodes what is missing. Answers and the read position are committed together.
    """

    def __init__(self, bus: Bus, encoder: QueryTextEncoder) -> None:
        self._bus = bus
        self._encoder = encoder
        self._ready = False
        self._forget()

    @property
    def ready(self) -> bool:
        """Whether the queries of this process are agreed upon, and all of them encoded."""
        return self._ready

    def run(self, stop: Event) -> None:
        """Work until `stop` is set or the bus is closed."""
        try:
            while not self._serve(stop):
                pass
        except BusClosedError:
            return
        finally:
            self._ready = False

    def _forget(self) -> None:
        self._known: dict[str, _Known] = {}  # by query
        self._pending: dict[str, Record] = {}  # newest of each query that was not answered yet
        self._unread: frozenset[int] = frozenset()  # partitions whose features were not read
        self._unswept: frozenset[int] = frozenset()  # those whose queries were not read to the end
        self._heard: set[str] = set()  # queries of unswept partitions that are there
        self._done: dict[int, int] = {}  # by partition: the offset before which all is committed

    def _serve(self, stop: Event) -> bool:
        """One membership of the group; False when a commit was lost and all begins anew."""
        self._forget()
        subscription = self._subscribe()
        try:
            self._work(subscription, stop)
        except CommitLostError as error:
            COMMITS_LOST.labels("query_texts").inc()
            _log.warning("queries are read again: %s", error)
            return False
        finally:
            self._ready = False
            subscription.close()
        return True

    def _subscribe(self) -> Subscription:
        def take(gained: Partitions) -> None:
            self._ready = False
            self._unread |= gained
            self._unswept |= gained
            for partition in gained:
                position = subscription.committed(partition)
                self._done[partition] = position.offset if position else 0
                subscription.seek(partition, 0)

        subscription = self._bus.subscribe(QUERIES.name, GROUP, Rebalance(take, self._let_go))
        return subscription

    def _let_go(self, lost: Partitions) -> None:
        self._ready = False
        self._unread -= lost
        self._unswept -= lost
        for key in [*self._known, *self._pending, *self._heard]:
            if self._partition(key) in lost:
                self._known.pop(key, None)
                self._pending.pop(key, None)
                self._heard.discard(key)

    def _work(self, subscription: Subscription, stop: Event) -> None:
        while not stop.is_set():
            for record in subscription.poll(POLL_SECONDS):
                self._pending.pop(record.key, None)
                self._pending[record.key] = record
            if self._unread:
                self._read_features(stop)
            # A partition's past is not answered: of each query its newest state counts
            if subscription.caught_up:
                self._answer_all(subscription, stop)
                if not (self._pending or stop.is_set()):
                    self._sweep(subscription)
                    self._ready = subscription.settled
            if subscription.finished:
                return

    def _read_features(self, stop: Event) -> None:
        """What lies there for the queries of the partitions gained."""
        reader = self._bus.subscribe(QUERY_FEATURES.name, partitions=self._unread)
        try:
            while not (reader.caught_up or stop.is_set()):
                for record in reader.poll(_FEATURES_POLL_SECONDS):
                    self._note_features(record)
        finally:
            reader.close()
        self._unread = frozenset()

    def _note_features(self, record: Record) -> None:
        if record.value is None:
            self._known.pop(record.key, None)
            return
        self._known[record.key] = _OF_NO_USE
        try:
            features = unpack_text_features(record.value)
        except FeaturesRecordError as error:
            _log.warning("query %s is encoded again: %s", record.key, error)
            return
        if features.space_id == self._encoder.space.id:
            self._known[record.key] = _Known.of(features)

    def _answer_all(self, subscription: Subscription, stop: Event) -> None:
        while self._pending and not stop.is_set():
            keys = list(self._pending)[:MAX_RECORDS]
            records = [self._pending.pop(key) for key in keys]
            messages = self._answers(records)
            for record in records:
                done = max(self._done.get(record.partition, 0), record.offset + 1)
                self._done[record.partition] = done
            partitions = {record.partition for record in records}
            subscription.commit(messages, {p: Position(self._done[p]) for p in partitions})

    def _sweep(self, subscription: Subscription) -> None:
        """Remove the features of queries that were removed while no encoder ran."""
        orphans = [
            key
            for key in self._known
            if self._partition(key) in self._unswept and key not in self._heard
        ]
        if orphans:
            for key in orphans:
                del self._known[key]
            subscription.commit([Message(QUERY_FEATURES.name, key, None) for key in orphans], {})
        self._unswept = frozenset()
        self._heard.clear()

    def _answers(self, records: Sequence[Record]) -> list[Message]:
        """What these records have changed: of each query its newest state counts."""
        removed, letters, changed = [], [], {}
        for record in {record.key: record for record in records}.values():
            if record.value is None:
                if self._known.pop(record.key, None) is not None:
                    removed.append(Message(QUERY_FEATURES.name, record.key, None))
                continue
            if record.partition in self._unswept:
                self._heard.add(record.key)
            try:
                request = unpack_text_request(record.value)
            except RecordError as error:
                if record.offset >= self._done.get(record.partition, 0):
                    letters.append(_refused(record, error))
                continue
            known = self._known.get(record.key)
            if known is None or not known.answers(request):
                changed[record.key] = request
        return [*removed, *letters, *self._encode(changed)]

    def _encode(self, requests: dict[str, TextRequest]) -> list[Message]:
        if not requests:
            return []
        messages = []
        made = self._try(list(requests.values()))
        for (key, request), features in zip(requests.items(), made, strict=True):
            before = self._known.get(key)
            self._known[key] = _Known(request.version, request.texts, features.problem)
            if before != _Known.of(features):  # else the same problem as before lies there
                messages.append(Message(QUERY_FEATURES.name, key, pack_text_features(features)))
        return messages

    def _partition(self, query_id: str) -> int:
        return partition_of(query_id, self._bus.partitions)

    def _try(self, requests: Sequence[TextRequest]) -> list[QueryFeatures]:
        """Features of each request, in order; all texts are encoded together if they can be."""
        try:
            encoded = iter(self._encoder.encode([text for one in requests for text in one.texts]))
        except EngineError:  # what encodes them fails: no query is at fault
            raise
        except EncoderError as error:
            if len(requests) == 1:
                return [self._problem(requests[0], error)]
            return [self._try([request])[0] for request in requests]
        space_id = self._encoder.space.id
        TEXTS.labels("encoded").inc(len(requests))
        return [
            features_of(one.query_id, one.version, space_id, [next(encoded) for _ in one.texts])
            for one in requests
        ]

    def _problem(self, request: TextRequest, error: EncoderError) -> QueryFeatures:
        TEXTS.labels("refused").inc()
        _log.warning("query %s cannot be watched for: %s", request.query_id, error)
        space_id = self._encoder.space.id
        return QueryFeatures(request.query_id, request.version, space_id, problem=str(error))


def _refused(record: Record, error: RecordError) -> Message:
    DEAD_LETTER_COUNT.labels("encoder").inc()
    _log.warning("query %s is not encoded: %s", record.key, error)
    return dead_letter(record, 1, error)
