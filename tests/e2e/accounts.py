"""What lies on the topics when a run is over, and whether it adds up."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from deploy.settings import load_settings
from deploy.settings.parts import grounding_config, kafka_options
from encoder.bundle import load_bundle
from encoder.embedding import ClipEmbedding
from encoder.record import unpack_embedding
from grounding.alert import Alert
from grounding.alert_state import CameraState, unpack_alert_state
from grounding.blind import BlindPeriod, unpack_blind
from grounding.grounder import Grounder
from grounding.parts import load_parts
from grounding.query_book import QueryBook
from grounding.query_intake import QueryIntake
from grounding.query_record import unpack_query
from grounding.record import unpack_alert
from grounding.tracker import AlertTracker
from grounding.worker import GroundingWorker
from streamer.bus import (
    ALERT_STATE,
    ALERTS,
    BLIND,
    DEAD_LETTERS,
    EMBEDDINGS,
    QUERIES,
    QUERY_FEATURES,
    Bus,
    Message,
    Record,
    Topic,
)
from streamer.kafka_bus import KafkaBus
from streamer.memory_bus import MemoryBus

READ = (EMBEDDINGS, BLIND, ALERTS, ALERT_STATE, DEAD_LETTERS, QUERIES, QUERY_FEATURES)

Clip = tuple[str, int, int]  # camera, session, index


@dataclass(frozen=True, slots=True)
class Windows:
    """What a grounding process that still runs counted since it was started."""

    since: float  # UTC seconds
    due: float
    evaluated: float
    blind: float


@dataclass(frozen=True, slots=True)
class Account:
    """The topics of one Watchword, each from its oldest record to its newest."""

    config: Path  # of one of its processes
    records: dict[str, list[Record]]
    windows: tuple[Windows, ...] = ()

    @classmethod
    def read(cls, config: Path, windows: Iterable[Windows] = ()) -> "Account":
        """As any reader sees them: what was never committed is not there."""
        with closing(open_account(config)) as bus:
            records = {topic.name: list(whole(bus, topic)) for topic in READ}
        return cls(config, records, tuple(windows))

    def _of(self, topic: Topic) -> list[Record]:
        return self.records[topic.name]

    @property
    def embeddings(self) -> list[ClipEmbedding]:
        """As they lie there, repeats too, but for those that were put aside."""
        return [unpack_embedding(one.value or b"") for one in self._evaluable()]

    def _evaluable(self) -> list[Record]:
        headers = [dict(one.headers) for one in self.dead_letters]
        aside = {(one["topic"], int(one["partition"]), int(one["offset"])) for one in headers}
        return [
            one
            for one in self._of(EMBEDDINGS)
            if (one.topic.encode(), one.partition, one.offset) not in aside
        ]

    @property
    def clips(self) -> dict[str, list[ClipEmbedding]]:
        """By camera, each clip once, in order."""
        once = {(one.camera_id, one.session, one.index): one for one in self.embeddings}
        ordered = [once[key] for key in sorted(once)]
        return {camera: list(of) for camera, of in groupby(ordered, lambda one: one.camera_id)}

    def due_since(self, at: float) -> set[Clip]:
        """Clips published since then whose windows became due: no repeats, none that came late."""
        due: set[Clip] = set()
        newest: dict[str, tuple[int, int]] = {}
        for record in self._evaluable():
            clip = unpack_embedding(record.value or b"")
            place = (clip.session, clip.index)
            if place > newest.get(clip.camera_id, (-1, -1)):
                newest[clip.camera_id] = place
                due |= {(clip.camera_id, *place)} if record.published > at else set()
        return due

    @property
    def queries(self) -> dict[str, str]:
        """The texts of all queries by their ids."""
        records = [unpack_query(one.value) for one in self._of(QUERIES) if one.value]
        return {record.query_id: record.text for record in records}

    @property
    def alerts(self) -> list[Alert]:
        return [unpack_alert(one.value or b"") for one in self._of(ALERTS)]

    @property
    def blind(self) -> list[BlindPeriod]:
        return [unpack_blind(one.value or b"") for one in self._of(BLIND)]

    def blind_of(self, camera: str) -> list[BlindPeriod]:
        return [period for period in self.blind if period.camera_id == camera]

    @property
    def dead_letters(self) -> list[Record]:
        return self._of(DEAD_LETTERS)

    @property
    def states(self) -> list[tuple[float, CameraState]]:
        """When, and what grounding knew of a camera then."""
        records = [one for one in self._of(ALERT_STATE) if one.value]
        return [(one.published, unpack_alert_state(one.value or b"")) for one in records]

    def final_states(self) -> dict[str, CameraState]:
        return {state.camera_id: state for _, state in self.states}

    def newest_alerts(self) -> dict[str, Alert]:
        return newest(self.alerts)

    def twin(self) -> dict[str, Alert]:
        """The alerts of one undisturbed worker that reads the same clips, queries and settings."""
        settings = load_settings(self.config, {})
        config = replace(grounding_config(settings), overload=None)
        parts = load_parts(load_bundle(settings.bundle), config)
        latest = self.embeddings[-1].end  # its clock: no camera is ever silent
        with closing(MemoryBus()) as bus:
            for topic in (QUERIES, QUERY_FEATURES):
                bus.publish_all([_again(one) for one in self._of(topic)])
            book = QueryBook(parts.calibration, parts.buffer.space_id)
            grounder = Grounder(parts, AlertTracker(config.alerts, parts.name), config)
            with closing(QueryIntake(bus, book, lambda: latest)) as queries:
                queries.read_whole(threading.Event())
                grounder.watch(queries.changes() or ())
            told = bus.subscribe(ALERTS.name)
            worker = GroundingWorker(bus, grounder, config, lambda: latest)
            thread = threading.Thread(target=worker.run, args=(threading.Event(),))
            thread.start()
            for one in self._evaluable():
                bus.publish(_again(one))
            bus.finish(EMBEDDINGS.name)
            thread.join()
            found: list[Alert] = []
            while not told.finished:
                found += [unpack_alert(one.value or b"") for one in told.poll(1.0)]
            return newest(found)


def open_account(config: Path, topics: Sequence[Topic] = READ) -> KafkaBus:
    """The topics of the process with this configuration, for somebody else."""
    return KafkaBus(replace(kafka_options(load_settings(config, {})), instance=""), topics)


def newest(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """By id, the state told last."""
    found: dict[str, Alert] = {}
    for alert in alerts:
        if alert.alert_id not in found or alert.revision > found[alert.alert_id].revision:
            found[alert.alert_id] = alert
    return found


def whole(bus: Bus, topic: Topic) -> Iterator[Record]:
    """All that lies on the topic now, from the oldest on."""
    with closing(bus.subscribe(topic.name)) as reader:
        while not reader.caught_up:
            yield from reader.poll(0.2)


def _again(record: Record) -> Message:
    return Message(record.topic, record.key, record.value, record.headers)
