"""What a store, an encoder and cameras would say to the grounding part, said by hand."""

import threading
from collections.abc import Callable
from dataclasses import replace

from encoder.record import pack_embedding
from encoder.text_features_record import features_of, pack_text_features
from grounding.alert import Alert
from grounding.config import GroundingConfig
from grounding.part import GroundingPart
from grounding.query_record import QueryRecord, Sensitivity, pack_query
from grounding.record import unpack_alert
from streamer.bus import ALERTS, EMBEDDINGS, QUERIES, QUERY_FEATURES, Bus, Message, Record
from streamer.memory_bus import MemoryBus
from tests.grounding.worlds import SPACE, T0, DetectorGraph, parts, scene, text

WAIT = 20.0
CONFIG = GroundingConfig(poll_seconds=0.02, audit_every=0)


class Feed:
    """A grounding part in its thread; `now` is its clock.

    What is said before a clip is published holds for that clip: the part takes in queries between
    reading a clip and evaluating it.
    """

    def __init__(
        self,
        bus: Bus | None = None,
        graph: DetectorGraph | None = None,
        config: GroundingConfig = CONFIG,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.bus = bus or MemoryBus()
        self.now = T0
        clock = clock or (lambda: self.now)
        self.part = GroundingPart(self.bus, parts(graph=graph), config, clock, clock)
        self.alerts = self.bus.subscribe(ALERTS.name)
        self.records: list[Record] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.part.run, args=(self.stop,), daemon=True)

    def start(self) -> "Feed":
        self.thread.start()
        return self

    def say_query(self, query_id: str, revision: int = 1, **fields: object) -> None:
        values = {"text": "a query", "sensitivity": Sensitivity(threshold=0.5)} | fields
        record = QueryRecord(query_id=query_id, revision=revision, **values)  # type: ignore[arg-type]
        self.bus.publish(Message(QUERIES.name, query_id, pack_query(record)))

    def say_features(
        self, query_id: str, axis: int = 0, version: int = 1, words: str = "a query"
    ) -> None:
        features = features_of(query_id, version, SPACE.id, [replace(text(axis), text=words)])
        self.bus.publish(Message(QUERY_FEATURES.name, query_id, pack_text_features(features)))

    def arm(self, query_id: str, axis: int = 0, version: int = 1, **fields: object) -> None:
        """As if the query had been registered and encoded."""
        self.say_query(query_id, version=version, **{"revision": version} | fields)  # type: ignore[arg-type]
        self.say_features(query_id, axis, version)

    def remove(self, query_id: str) -> None:
        self.bus.publish(Message(QUERIES.name, query_id, None))
        self.bus.publish(Message(QUERY_FEATURES.name, query_id, None))

    def show(self, flags: str, first: int = 0, **fields: object) -> None:
        """Clips of a live camera, the first one at index `first`."""
        for clip in scene(" " * first + flags, **{"clock_source": "arrival"} | fields):
            self.bus.publish(Message(EMBEDDINGS.name, clip.camera_id, pack_embedding(clip)))

    def wait_for(self, is_so: Callable[[], bool], what: str) -> None:
        pause = threading.Event()
        for _ in range(int(WAIT / 0.01)):
            if is_so():
                return
            pause.wait(0.01)
        raise AssertionError(f"not within {WAIT} s: {what}")

    def wait_for_windows(self, count: int) -> None:
        self.wait_for(lambda: self.part.counts.windows >= count, f"{count} windows")

    def hear(self, count: int) -> list[Alert]:
        """The next `count` alert events."""
        heard: list[Alert] = []
        while len(heard) < count:
            records = self.alerts.poll(WAIT, count - len(heard))
            assert records, f"only {heard} after {WAIT} s"
            self.records += records
            heard += [unpack_alert(record.value or b"") for record in records]
        return heard

    def drain(self) -> list[Alert]:
        """No more clips come: the events until the part has ended."""
        self.bus.finish(EMBEDDINGS.name)
        heard: list[Alert] = []
        while not self.alerts.finished:
            records = self.alerts.poll(WAIT)
            assert records or self.alerts.finished
            self.records += records
            heard += [unpack_alert(record.value or b"") for record in records]
        self.thread.join(WAIT)
        assert not self.thread.is_alive()
        return heard

    def end(self) -> None:
        self.stop.set()
        self.bus.close()
        if self.thread.ident is not None:
            self.thread.join(WAIT)
