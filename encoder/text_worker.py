"""The encoder's other half: texts of standing queries in, their features out."""

import logging
from collections.abc import Sequence
from threading import Event
from typing import Protocol

from encoder.dead_letter import dead_letter
from encoder.embedding import TextFeatures
from encoder.errors import EncoderError
from encoder.metrics import DEAD_LETTER_COUNT, TEXTS
from encoder.space import EmbeddingSpace
from encoder.text_features_record import QueryFeatures, features_of, pack_text_features
from encoder.text_request import TextRequest, unpack_text_request
from streamer.bus import QUERIES, QUERY_FEATURES, Bus, Message, Record, Subscription
from streamer.errors import BusClosedError, RecordError

POLL_SECONDS = 0.2  # how soon a stop is noticed while no query changes
MAX_RECORDS = 64  # queries encoded together: of thousands the first need not wait for the last

_log = logging.getLogger(__name__)


class QueryTextEncoder(Protocol):
    """What the worker needs of `encoder.text.TextEncoder`."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space of the features."""

    def encode(self, texts: Sequence[str]) -> list[TextFeatures]:
        """Features of each text; raises EncoderError for one that cannot be encoded."""


class TextFeaturesWorker:
    """Publishes the text features of every standing query, once for each of its versions.

    A version that cannot be encoded is published with a sentence that says why; a query that was
    removed takes its features along. `ready` once all queries that lay there have been encoded.
    """

    def __init__(self, bus: Bus, encoder: QueryTextEncoder) -> None:
        self._bus = bus
        self._encoder = encoder
        self._encoded: dict[str, TextRequest] = {}  # by query: what was published last
        self._ready = Event()

    @property
    def ready(self) -> bool:
        """Whether all that lay on the topic at the start has been encoded."""
        return self._ready.is_set()

    def run(self, stop: Event) -> None:
        """Work until `stop` is set or the bus is closed."""
        try:
            subscription = self._bus.subscribe(QUERIES.name)
            try:
                self._work(subscription, stop)
            finally:
                subscription.close()
        except BusClosedError:
            return

    def _work(self, subscription: Subscription, stop: Event) -> None:
        while not stop.is_set():
            records = subscription.poll(POLL_SECONDS, MAX_RECORDS)
            for message in self._answers(records):
                self._bus.publish(message)
            if subscription.caught_up:
                self._ready.set()
            if subscription.finished:
                return

    def _answers(self, records: Sequence[Record]) -> list[Message]:
        """What these records have changed: of each query its newest state counts."""
        removed, letters, changed = [], [], {}
        for record in {record.key: record for record in records}.values():
            if record.value is None:
                if self._encoded.pop(record.key, None) is not None:
                    removed.append(Message(QUERY_FEATURES.name, record.key, None))
                continue
            try:
                request = unpack_text_request(record.value)
            except RecordError as error:
                letters.append(_refused(record, error))
                continue
            if self._encoded.get(record.key) != request:
                changed[record.key] = request
        return [*removed, *letters, *self._encode(changed)]

    def _encode(self, requests: dict[str, TextRequest]) -> list[Message]:
        if not requests:
            return []
        made = self._try(list(requests.values()))
        self._encoded |= requests
        return [
            Message(QUERY_FEATURES.name, key, pack_text_features(features))
            for key, features in zip(requests, made, strict=True)
        ]

    def _try(self, requests: Sequence[TextRequest]) -> list[QueryFeatures]:
        """Features of each request, in order; all texts are encoded together if they can be."""
        try:
            encoded = iter(self._encoder.encode([text for one in requests for text in one.texts]))
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
