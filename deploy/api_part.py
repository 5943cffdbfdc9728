"""The api part: the store, what feeds it and what it feeds, deliveries and HTTP."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.errors import StoreError
from deploy.http.server import HttpServer
from deploy.metrics import STORE_FAULTS
from deploy.outbox_pump import OutboxPump
from deploy.store import Store
from deploy.threads import Threads
from deploy.topic_reader import TopicReader
from encoder.text_features_record import unpack_text_features
from grounding.alert_state import seed_messages
from grounding.alert_stream import AlertStream
from grounding.delivery.worker import DeliveryWorker
from grounding.record import unpack_alert
from streamer.bus import ALERTS, HEALTH, QUERY_FEATURES, Bus, Record
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


class ApiPart:
    """Feeds the store from the topics and the topics from the store, delivers, serves HTTP.

    It ends by itself once the alerts topic is finished and stored.
    """

    name = "api"

    def __init__(self, parts: ApiParts, bus: Bus) -> None:
        self._parts = parts
        self._bus = bus
        self._pump = OutboxPump(parts.store.outbox, bus)
        # Subscribed here, before anything is published
        self._alerts = TopicReader(bus, ALERTS, self._take_alerts)
        self._features = TopicReader(bus, QUERY_FEATURES, self._take_features)
        self._health = TopicReader(bus, HEALTH, self._take_health)

    def seed(self) -> None:
        """Publish what the store knows: entities, and alerts that were open when it ended."""
        self._pump.seed()
        for message in seed_messages(self._parts.store.alerts.open_states()):
            self._bus.publish(message)

    def run(self, stop: threading.Event) -> None:
        """Blocks until the last alert is stored, or `stop` is set."""
        parts, end = self._parts, threading.Event()
        parts.store.alerts.listen(parts.stream.notify)
        threads = Threads(stop.set)
        for name, work in (
            ("outbox", self._pump.run),
            ("features", self._features.run),
            ("health", self._health.run),
            ("housekeeping", self._keep_house),
            ("delivery", parts.delivery.run),
            ("http", parts.http.run),
        ):
            threads.start(name, lambda work=work: work(end))  # type: ignore[misc]
        try:
            self._alerts.run(stop)
        finally:
            parts.stream.close()  # a server waits for its connections, and followers never leave
            end.set()
        threads.wait()

    def _keep_house(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._parts.store.prune(time.time() - self._parts.keep_days * DAY_SECONDS)
            except StoreError as error:
                STORE_FAULTS.labels("housekeeping").inc()
                _log.error("what is older than store.keep_days was not removed: %s", error)
            stop.wait(HOUSEKEEPING_SECONDS)

    def _take_alerts(self, records: Sequence[Record]) -> None:
        self._parts.store.alerts.write(
            [
                (unpack_alert(record.value or b""), dict(record.headers).get("tracked", b""))
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
