"""The grounding part: embeddings topic in, alerts topic out."""

import time
from collections.abc import Callable, Sequence
from threading import Event

from encoder.bundle import Bundle
from encoder.embedding import ClipEmbedding
from encoder.errors import EmbeddingRecordError
from encoder.metrics import DEAD_LETTER_COUNT
from encoder.record import unpack_embedding
from grounding.alert import Alert
from grounding.config import GroundingConfig
from grounding.grounder import Grounder, GroundingCounts
from grounding.parts import load_parts
from grounding.query import StandingQuery
from grounding.record import pack_alert
from grounding.tracker import AlertTracker
from streamer.bus import ALERTS, DEAD_LETTERS, EMBEDDINGS, Bus, Message, Record, Subscription
from streamer.errors import BusClosedError

GROUP = "watchword-grounding"
MAX_RECORDS = 64  # of one poll: their alerts are published together


class GroundingWorker:
    """Reads embeddings until their topic is finished, publishes alerts with each commit."""

    def __init__(
        self,
        bus: Bus,
        grounder: Grounder,
        config: GroundingConfig,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._grounder = grounder
        self._config = config
        self._clock = clock
        self._next_tick = 0.0

    @property
    def counts(self) -> GroundingCounts:
        """What happened to windows and pairs so far."""
        return self._grounder.counts

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, the bus is closed, or the embeddings end.

        At their end every open alert closes and the alerts topic is finished; on `stop` open
        alerts stay open, for whoever restores the tracker.
        """
        try:
            subscription = self._bus.subscribe(EMBEDDINGS.name, group=GROUP)
            try:
                self._work(subscription, stop)
            finally:
                subscription.close()
        except BusClosedError:
            return

    def _work(self, subscription: Subscription, stop: Event) -> None:
        while not stop.is_set():
            records = subscription.poll(self._config.tick_seconds, MAX_RECORDS)
            embeddings, dead_letters = read_embeddings(records)
            alerts = self._grounder.evaluate(embeddings) + self._tick()
            if records or alerts:
                subscription.commit([*dead_letters, *_messages(alerts)])
            if subscription.finished:
                subscription.commit(_messages(self._grounder.finish()))
                self._bus.finish(ALERTS.name)
                return

    def _tick(self) -> list[Alert]:
        now = self._clock()
        if now < self._next_tick:
            return []
        self._next_tick = now + self._config.tick_seconds
        return self._grounder.tick(now)


def build(
    bundle: Bundle, queries: Sequence[StandingQuery], bus: Bus, config: GroundingConfig
) -> GroundingWorker:
    """The grounding part of a process; raises what `load_parts` raises."""
    parts = load_parts(bundle, config)
    grounder = Grounder(parts, AlertTracker(config.alerts, parts.name), config)
    grounder.watch(queries)
    return GroundingWorker(bus, grounder, config)


def read_embeddings(records: Sequence[Record]) -> tuple[list[ClipEmbedding], list[Message]]:
    """The embeddings of the records, and a dead letter for each that is none."""
    embeddings: list[ClipEmbedding] = []
    dead_letters: list[Message] = []
    for record in records:
        try:
            embeddings.append(unpack_embedding(record.value or b""))
        except EmbeddingRecordError as error:
            DEAD_LETTER_COUNT.labels("grounding").inc()
            dead_letters.append(_dead_letter(record, error))
    return embeddings, dead_letters


def _dead_letter(record: Record, error: Exception) -> Message:
    """The record as it came; reading it is deterministic, so one attempt is enough."""
    headers = (
        *record.headers,
        ("topic", record.topic.encode()),
        ("partition", str(record.partition).encode()),
        ("offset", str(record.offset).encode()),
        ("error", type(error).__name__.encode()),
        ("attempt", b"1"),
    )
    return Message(DEAD_LETTERS.name, record.key, record.value, headers)


def _messages(alerts: Sequence[Alert]) -> list[Message]:
    return [Message(ALERTS.name, alert.camera_id, pack_alert(alert)) for alert in alerts]
