import itertools
import threading
from dataclasses import replace

import msgspec
import pytest

from encoder.errors import ForeignSpaceError
from encoder.record import pack_embedding
from grounding.alert import Alert
from grounding.alert_state import unpack_alert_state
from grounding.config import GroundingConfig
from grounding.grounder import Grounder
from grounding.record import unpack_alert
from grounding.tracker import AlertTracker
from grounding.worker import GroundingWorker
from streamer.bus import ALERT_STATE, ALERTS, DEAD_LETTERS, EMBEDDINGS, Message
from streamer.memory_bus import MemoryBus
from tests.grounding.worlds import T0, embedding, grounder, parts, query, scene, told

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
    ticks = itertools.count(T0 + 1000)  # a second whenever it is asked for
    _, thread = start(bus, stop, clock=lambda: next(ticks))
    publish(bus, ".##", clock_source="arrival")
    states: list[str] = []
    while "closed" not in states:
        states += [alert.state for alert in alerts_of(alerts, stop_after=1)]
    stop.set()
    thread.join(10)
    assert states[0] == "opened"


class Clock:
    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> float:
        return self.now


def idle(bus: MemoryBus, clock: Clock, **options: object) -> GroundingWorker:
    """A worker that is driven by hand."""
    config = replace(CONFIG, **options)  # type: ignore[arg-type]
    return GroundingWorker(bus, grounder([query()]), config, clock)


def test_a_camera_whose_clips_are_late_is_not_silent(bus: MemoryBus) -> None:
    # Clips take 40 s on their way through a loaded machine: the event is not over.
    clock = Clock()
    worker = idle(bus, clock)
    opened = worker._grounder.evaluate(scene(".##", clock_source="arrival"))
    assert opened[0].state == "opened"
    clock.now = T0 + 46
    worker.hear(["yard"])
    assert worker._tick(behind=False) == []
    clock.now += 9
    assert worker._tick(behind=False) == []
    clock.now += 1
    assert [alert.state for alert in worker._tick(behind=False)] == ["closed"]


def test_while_clips_wait_unread_silence_takes_longer(bus: MemoryBus) -> None:
    clock = Clock()
    worker = idle(bus, clock)
    worker._grounder.evaluate(scene(".##", clock_source="arrival"))
    worker.hear(["yard"])
    clock.now = T0 + 119
    assert worker._tick(behind=True) == []
    clock.now = T0 + 120
    assert worker._tick(behind=True) != []


def test_memory_is_flat_while_cameras_and_sessions_come_and_go(bus: MemoryBus) -> None:
    clock = Clock()
    worker = idle(bus, clock)
    grounder_ = worker._grounder
    kept, opened = [], 0
    for visit in range(60):  # ten minutes each, on one of 40 cameras, with one event
        camera, session = f"camera-{visit % 40}", 1000 * int(clock.now)
        clips = scene("..##......", camera_id=camera, session=session, clock_source="arrival")
        opened += [alert.state for alert in grounder_.evaluate(clips)].count("opened")
        worker.hear([camera])
        for _ in range(10):
            clock.now += 60
            worker._tick(behind=False)
        kept.append(len(worker._heard) + len(grounder_._parts.buffer._sessions))
    assert opened == 60
    assert max(kept) <= 4
    clock.now += 600
    worker._tick(behind=False)
    assert worker._heard == grounder_._parts.buffer._sessions == {}
    assert grounder_.tracker.snapshot() == grounder().tracker.snapshot()


def test_a_resumable_alert_carries_its_state_and_is_published_beside_it(bus: MemoryBus) -> None:
    alerts, states = bus.subscribe(ALERTS.name), bus.subscribe(ALERT_STATE.name)
    config = replace(CONFIG, resumable=True)
    made = Grounder(parts(), AlertTracker(config.alerts, keep_snapshots=True), config)
    made.watch([query()])
    worker = GroundingWorker(bus, made, config, Clock())
    thread = threading.Thread(target=worker.run, args=(threading.Event(),))
    thread.start()
    publish(bus, ".##.")
    bus.finish(EMBEDDINGS.name)
    (record, *_) = alerts.poll(10)
    thread.join(10)
    assert not thread.is_alive()
    blob = dict(record.headers)["tracked"]
    again = AlertTracker(config.alerts)
    again.restore_alerts([blob])
    opened = unpack_alert(record.value)
    (closed,) = again.finish()
    assert (closed.alert_id, closed.revision) == (opened.alert_id, 2)
    state = states.poll(10)[-1]
    (still_open,) = unpack_alert_state(state.value).alerts
    assert msgspec.msgpack.decode(still_open)["alert_id"] == opened.alert_id


def test_the_state_of_a_camera_goes_when_its_alerts_have_closed(bus: MemoryBus) -> None:
    alerts, states = bus.subscribe(ALERTS.name), bus.subscribe(ALERT_STATE.name)
    config = replace(CONFIG, resumable=True)
    made = Grounder(parts(), AlertTracker(config.alerts, keep_snapshots=True), config)
    made.watch([query()])
    thread = threading.Thread(
        target=GroundingWorker(bus, made, config, Clock()).run, args=(threading.Event(),)
    )
    thread.start()
    publish(bus, ".##" + "." * 40)
    bus.finish(EMBEDDINGS.name)
    events = []
    while not alerts.finished:
        events += alerts.poll(10)
    thread.join(10)
    assert dict(events[-1].headers)["tracked"] == b""
    assert all(dict(event.headers)["tracked"] for event in events[:-1])
    assert states.poll(10)[-1].value is None


def test_the_alerts_of_a_run_that_ends_carry_no_state(bus: MemoryBus) -> None:
    alerts = bus.subscribe(ALERTS.name)
    _, thread = start(bus, threading.Event())
    publish(bus, "##")
    bus.finish(EMBEDDINGS.name)
    assert {record.headers for record in alerts.poll(10)} == {()}
    thread.join(10)


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
