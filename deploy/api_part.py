"""The api part: the store, what feeds it and what it feeds, deliveries and HTTP."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from deploy.errors import StoreError
from deploy.evidence import EvidenceKeeper
from deploy.http.server import HttpServer
from deploy.metrics import STORE_FAULTS
from deploy.outbox_pump import OutboxPump
from deploy.store import Store
from deploy.threads import Threads
from deploy.topic_reader import TopicReader
from encoder.stored_dead_letter import read_dead_letter
from encoder.text_features_record import unpack_text_features
from grounding.alert_state import seed_messages
from grounding.alert_stream import AlertStream
from grounding.cloud_event import tracked_state
from grounding.delivery.worker import DeliveryWorker
from grounding.record import unpack_alert
from grounding.stored_blind import read_blind
from streamer.bus import ALERTS, BLIND, DEAD_LETTERS, HEALTH, QUERY_FEATURES, Bus, Record, Topic
from streamer.health import unpack_health

DAY_SECONDS = 86400.0
HOUSEKEEPING_SECONDS = 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the api part is made of."""

    store: Store
    stream: AlertStream
    delivery: DeliveryWorker
    http: HttpServer
    keep_days: float
    evidence: EvidenceKeeper | None = None  # None: none is kept


class ApiPart:
    """Feeds the store from the topics and the topics from the store, delivers, serves HTTP.

    It ends by itself once the alerts topic is finished and stored.
    """

    name = "api"

    def __init__(self, parts: ApiParts, bus: Bus) -> None:
        self._parts = parts
        self._bus = bus
        self._pump = OutboxPump(parts.store.outbox, bus)
        # Every topic that is stored, with who stores its records
        stored: tuple[tuple[Topic, Callable[[Sequence[Record]], None]], ...] = (
            (ALERTS, self._take_alerts),
            (BLIND, self._take_blind),
            (DEAD_LETTERS, self._take_dead_letters),
        )
        # Subscribed here, before anything is published
        self._readers = {topic.name: TopicReader(bus, topic, take) for topic, take in stored}
        # How cameras fare and which queries are armed stands in no database: every process reads
        # it whole, for itself
        known = ((QUERY_FEATURES, self._take_features), (HEALTH, self._take_health))
        for topic, take in known:
            self._readers[topic.name] = TopicReader(bus, topic, take, is_shared=False)

    @property
    def ready(self) -> bool:
        """Whether it is agreed which api process stores what, and how all cameras fare is known."""
        return all(reader.ready for reader in self._readers.values())

    def seed(self, alert_state: bool) -> None:
        """Publish what the store knows: the entities.

        With `alert_state` also the alerts that were open when it ended: a bus in memory has lost
        them, on Kafka grounding keeps its own state.
        """
        self._pump.seed()
        if alert_state:
            self._bus.publish_all(seed_messages(self._parts.store.alerts.open_states()))

    def run(self, stop: threading.Event) -> None:
        """Blocks until the last alert is stored, or `stop` is set."""
        parts, end = self._parts, threading.Event()
        parts.store.alerts.listen(parts.stream.notify)
        threads = Threads(stop.set)
        for name, work in (
            ("outbox", self._pump.run),
            ("housekeeping", self._keep_house),
            ("delivery", parts.delivery.run),
            ("http", parts.http.run),
        ):
            threads.start(name, partial(work, end))
        if parts.evidence is not None:
            threads.start("evidence", partial(parts.evidence.run, end))
        for name, reader in self._readers.items():
            if name != ALERTS.name:
                threads.start(name, partial(self._store_until, reader, end, stop))
        try:
            self._readers[ALERTS.name].run(stop)
        finally:
            parts.stream.close()  # a server waits for its connections, and followers never leave
            end.set()
        threads.wait()
        for reader in self._readers.values():
            reader.close()

    @staticmethod
    def _store_until(reader: TopicReader, end: threading.Event, stop: threading.Event) -> None:
        reader.run(end)
        if not stop.is_set():  # the pipeline has ended by itself: this was its last
            reader.drain()

    def _keep_house(self, stop: threading.Event) -> None:
        while not stop.is_set():
            before = time.time() - self._parts.keep_days * DAY_SECONDS
            try:
                self._parts.store.prune(before)
            except StoreError as error:
                STORE_FAULTS.labels("housekeeping").inc()
                _log.error("what is older than store.keep_days was not removed: %s", error)
            if self._parts.evidence is not None:
                self._parts.evidence.prune(before)
            stop.wait(HOUSEKEEPING_SECONDS)

    def _take_alerts(self, records: Sequence[Record]) -> None:
        self._parts.store.alerts.write(
            [
                (unpack_alert(record.value or b""), tracked_state(record.headers))
                for record in records
            ]
        )

    def _take_features(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.value is not None:
                made = unpack_text_features(record.value)
                self._parts.store.queries.arm(
                    made.query_id, made.version, made.space_id, made.problem
                )

    def _take_health(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.value is not None:
                self._parts.store.cameras.note_health(unpack_health(record.value))

    def _take_blind(self, records: Sequence[Record]) -> None:
        self._parts.store.blind_periods.write(read_blind(records))

    def _take_dead_letters(self, records: Sequence[Record]) -> None:
        letters = [read_dead_letter(record) for record in records]
        self._parts.store.dead_letters.write(letters)
