"""Embeddings topic in, alerts topic out."""

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import Protocol

from encoder.bundle import Bundle
from encoder.dead_letter import dead_letter
from encoder.embedding import ClipEmbedding
from encoder.errors import EmbeddingRecordError
from encoder.metrics import DEAD_LETTER_COUNT
from encoder.record import unpack_embedding
from grounding.alert import Alert
from grounding.alert_state import state_message
from grounding.config import GroundingConfig
from grounding.grounder import Grounder, GroundingCounts
from grounding.parts import load_parts
from grounding.query import StandingQuery
from grounding.record import pack_alert
from grounding.tracker import AlertTracker
from streamer.bus import ALERTS, EMBEDDINGS, Bus, Message, Record, Subscription
from streamer.errors import BusClosedError

GROUP = "watchword-grounding"
MAX_RECORDS = 16  # of one poll: their alerts are published together


class ChangingQueries(Protocol):
    """What the worker needs of `grounding.query_intake.QueryIntake`."""

    def changes(self) -> tuple[StandingQuery, ...] | None:
        """All queries to be watched from now on, if that changed; never waits."""


class GroundingWorker:
    """Reads embeddings until their topic is finished, publishes alerts with each commit.

    With `queries` what is watched for may change between any two polls. With `config.resumable`
    each alert carries the state it was in, and the camera's open alerts are published beside it.
    """

    def __init__(
        self,
        bus: Bus,
        grounder: Grounder,
        config: GroundingConfig,
        clock: Callable[[], float] = time.time,
        queries: ChangingQueries | None = None,
    ) -> None:
        self._bus = bus
        self._grounder = grounder
        self._config = config
        self._clock = clock
        self._queries = queries
        self._next_tick = 0.0
        self._heard: dict[str, float] = {}  # camera: when something of it was read last

    @property
    def counts(self) -> GroundingCounts:
        """What happened to windows and pairs so far."""
        return self._grounder.counts

    def hear(self, cameras: Iterable[str]) -> None:
        """Count the cameras' silence from now on."""
        self._heard |= dict.fromkeys(cameras, self._clock())

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, the bus is closed, or the embeddings end.

        At their end the alerts topic is finished, and unless the work is resumable every open
        alert closes. On `stop` open alerts stay open, for whoever restores the tracker.
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
        poll_seconds = min(self._config.poll_seconds, self._config.tick_seconds)
        while not stop.is_set():
            records = subscription.poll(poll_seconds, MAX_RECORDS)
            self._take_queries()
            embeddings, dead_letters = read_embeddings(records)
            alerts = self._grounder.evaluate(embeddings)
            self.hear({embedding.camera_id for embedding in embeddings})
            alerts += self._tick(behind=len(records) == MAX_RECORDS)
            if records or alerts:
                subscription.commit([*dead_letters, *self._messages(alerts)])
            if subscription.finished:
                if not self._config.resumable:
                    subscription.commit(self._messages(self._grounder.finish()))
                self._bus.finish(ALERTS.name)
                return

    def _take_queries(self) -> None:
        changes = None if self._queries is None else self._queries.changes()
        if changes is not None:
            self._grounder.watch(changes)

    def _tick(self, behind: bool) -> list[Alert]:
        """Wall-clock time for cameras that are silent, rather than waiting to be read."""
        now = self._clock()
        if now < self._next_tick:
            return []
        self._next_tick = now + self._config.tick_seconds
        config = self._config
        grace = config.backlog_grace_seconds if behind else config.silence_grace_seconds
        silent = [camera for camera, at in self._heard.items() if at + grace <= now]
        alerts = self._grounder.tick(now, silent)
        for camera in silent:
            gone = self._heard[camera] + config.forget_seconds <= now
            if gone and self._grounder.forget(camera):
                del self._heard[camera]
        return alerts

    def _messages(self, alerts: Sequence[Alert]) -> list[Message]:
        """The alerts and, for a restart, the state each was in and what is open now."""
        tracker = self._grounder.tracker
        if not self._config.resumable:
            return [_message(alert) for alert in alerts]
        snapshots = tracker.take_snapshots()
        told = [_message(alert, ("tracked", snapshots[alert.event_id])) for alert in alerts]
        cameras = sorted({alert.camera_id for alert in alerts})
        states = [
            state_message(camera, tracker.clock(camera), tracker.open_alerts(camera))
            for camera in cameras
        ]
        return [*told, *states]


def build(
    bundle: Bundle, queries: Sequence[StandingQuery], bus: Bus, config: GroundingConfig
) -> GroundingWorker:
    """Grounding of queries that never change; raises what `load_parts` raises."""
    parts = load_parts(bundle, config)
    tracker = AlertTracker(config.alerts, parts.name, config.resumable)
    grounder = Grounder(parts, tracker, config)
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
            # Reading a record gives the same answer each time: one attempt is enough.
            dead_letters.append(dead_letter(record, 1, error))
    return embeddings, dead_letters


def _message(alert: Alert, *headers: tuple[str, bytes]) -> Message:
    return Message(ALERTS.name, alert.camera_id, pack_alert(alert), headers)
