import threading

import pytest

from encoder.errors import ForeignSpaceError
from encoder.record import pack_embedding
from grounding.alert import Alert
from grounding.config import GroundingConfig
from grounding.grounder import Grounder
from grounding.record import unpack_alert
from grounding.worker import GroundingWorker
from streamer.bus import ALERTS, DEAD_LETTERS, EMBEDDINGS, Message
from streamer.memory_bus import MemoryBus
from tests.grounding.worlds import T0, embedding, grounder, query, scene, told

CONFIG = GroundingConfig(tick_seconds=0.02)


def publish(bus: MemoryBus, flags: str, **fields: object) -> None:
    for clip in scene(flags, **fields):
        bus.publish(Message(EMBEDDINGS.name, clip.camera_id, pack_embedding(clip)))


def alerts_of(subscription, stop_after: int | None = None) -> list[Alert]:
    alerts: list[Alert] = []
    while not subscription.finished and (stop_after is None or len(alerts) < stop_after):
        alerts += [unpack_alert(record.value) for record in subscription.poll(0.2)]
        subscription.commit()
    return alerts


@pytest.fixture
def bus():
    made = MemoryBus()
    yield made
    made.close()


def start(bus: MemoryBus, stop: threading.Event, made: Grounder | None = None, **fields: object):
    worker = GroundingWorker(bus, made or grounder([query()]), CONFIG, **fields)  # type: ignore[arg-type]
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    return worker, thread


def test_a_finished_stream_is_watched_to_its_end(bus: MemoryBus) -> None:
    alerts = bus.subscribe(ALERTS.name)
    worker, thread = start(bus, threading.Event())
    publish(bus, "...##....")
    bus.finish(EMBEDDINGS.name)
    events = alerts_of(alerts)
    thread.join(10)
    assert not thread.is_alive()
    assert told(events)[-1] == ("q0", "closed", 6, 10)
    assert worker.counts.windows == 9


def test_alerts_have_the_camera_as_their_key(bus: MemoryBus) -> None:
    alerts = bus.subscribe(ALERTS.name)
    _, thread = start(bus, threading.Event())
    publish(bus, "##", camera_id="gate-2")
    bus.finish(EMBEDDINGS.name)
    keys = {record.key for record in alerts.poll(5)}
    thread.join(10)
    assert keys == {"gate-2"}


def test_a_live_camera_that_falls_silent_closes_its_alert(bus: MemoryBus) -> None:
    stop, alerts = threading.Event(), bus.subscribe(ALERTS.name)
    _, thread = start(bus, stop, clock=lambda: T0 + 1000)
    publish(bus, ".##", clock_source="arrival")
    events = alerts_of(alerts, stop_after=2)
    stop.set()
    thread.join(10)
    assert [alert.state for alert in events][-1] == "closed"


def test_stop_ends_the_worker_and_leaves_alerts_open(bus: MemoryBus) -> None:
    stop, alerts = threading.Event(), bus.subscribe(ALERTS.name)
    _, thread = start(bus, stop)
    publish(bus, ".##")
    events = alerts_of(alerts, stop_after=1)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert {alert.state for alert in events} <= {"opened", "updated"}
    assert not alerts.finished


def test_a_closed_bus_ends_the_worker(bus: MemoryBus) -> None:
    _, thread = start(bus, threading.Event())
    bus.close()
    thread.join(10)
    assert not thread.is_alive()


def test_what_is_no_embedding_becomes_a_dead_letter(bus: MemoryBus) -> None:
    alerts, letters = bus.subscribe(ALERTS.name), bus.subscribe(DEAD_LETTERS.name)
    _, thread = start(bus, threading.Event())
    bus.publish(Message(EMBEDDINGS.name, "yard", b"\xffnonsense"))
    publish(bus, "##")
    bus.finish(EMBEDDINGS.name)
    assert alerts_of(alerts)
    thread.join(10)
    (letter,) = letters.poll(1)
    assert (letter.key, letter.value) == ("yard", b"\xffnonsense")
    assert dict(letter.headers)["error"] == b"EmbeddingRecordError"
    assert dict(letter.headers)["topic"] == EMBEDDINGS.name.encode()


def test_a_foreign_space_ends_the_part(bus: MemoryBus) -> None:
    foreign = embedding(0)
    object.__setattr__(foreign, "space_id", "other")
    bus.publish(Message(EMBEDDINGS.name, "yard", pack_embedding(foreign)))
    with pytest.raises(ForeignSpaceError):
        GroundingWorker(bus, grounder([query()]), CONFIG).run(threading.Event())
