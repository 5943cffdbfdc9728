import itertools
import threading
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from encoder.embedding import ClipEmbedding
from encoder.errors import ForeignSpaceError
from encoder.record import pack_embedding
from grounding.alert import Alert
from grounding.alert_state import unpack_alert_state
from grounding.attempts import Arrival
from grounding.blind import Covered
from grounding.cloud_event import tracked_state
from grounding.config import GroundingConfig
from grounding.grounder import Grounder
from grounding.record import unpack_alert
from grounding.tracker import AlertTracker
from grounding.worker import MANY_RECORDS, GroundingWorker, lag_seconds
from streamer.bus import ALERT_STATE, ALERTS, CLIPS, DEAD_LETTERS, EMBEDDINGS, Message, Record
from streamer.memory_bus import MemoryBus
from tests.grounding.mortal import CONFIG as DRIVEN
from tests.grounding.mortal import Driven, Killed, Life, Stage, make_worker, message
from tests.grounding.test_attempts import BAD_AXIS, FaultyGraph
from tests.grounding.worlds import (
    SESSION,
    T0,
    DetectorGraph,
    embedding,
    grounder,
    query,
    scene,
    told,
)

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


def idle(clips: list[ClipEmbedding], **fields: object) -> tuple[Stage, Driven, list[float]]:
    """A worker that is driven by hand, has read the clips, and whose clock is a list of one."""
    now = [T0]
    stage = Stage(clips, partitions=1)
    config = replace(DRIVEN, **fields)  # type: ignore[arg-type]
    worker = Driven(stage.bus, config=config, clock=lambda: now[0])
    worker.settle()
    return stage, worker, now


def states_of(stage: Stage) -> list[str]:
    return [alert.state for alert in stage.alerts()]


def test_a_camera_whose_clips_are_late_is_not_silent() -> None:
    # Clips take 40 s on their way through a loaded machine: the event is not over.
    stage, worker, now = idle([])
    now[0] = T0 + 46
    stage.show(scene(".##", clock_source="arrival"))
    worker.turn()
    now[0] += 9
    worker.turn()
    assert "closed" not in states_of(stage)
    now[0] += 1
    worker.turn()
    assert states_of(stage)[-1] == "closed"


def test_while_clips_wait_unread_silence_takes_longer() -> None:
    stage, worker, now = idle(scene(".##", clock_source="arrival"))
    now[0] = T0 + 119
    stage.show(scene("." * (3 * MANY_RECORDS), camera_id="gate"))
    worker.turn()
    assert "closed" not in states_of(stage)
    now[0] = T0 + 120
    worker.turn()
    assert states_of(stage)[-1] == "closed"


def test_a_film_of_which_nothing_more_comes_closes_its_alert() -> None:
    stage, worker, now = idle(scene(".##"))
    now[0] += 9
    worker.turn()
    assert "closed" not in states_of(stage)
    now[0] += 1
    worker.turn()
    assert states_of(stage)[-1] == "closed"
    assert stage.alerts()[-1].at == T0 + 6  # the film's own time
    assert not stage.blind()


def test_while_a_clip_is_under_way_no_film_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, worker, now = idle(scene(".##"))
    monkeypatch.setattr(MemoryBus, "lags", lambda _: {CLIPS.name: 1})
    now[0] += 119
    worker.turn()
    assert "closed" not in states_of(stage)
    now[0] += 1
    worker.turn()
    assert states_of(stage)[-1] == "closed"


def test_a_run_that_ends_waits_for_a_slow_film() -> None:
    stage, worker, now = idle(scene(".##"), resumable=False)
    for _ in range(100):
        now[0] += 100
        worker.turn()
    assert "closed" not in states_of(stage)
    stage.show(scene(".####")[3:])
    worker.turn()
    assert {alert.alert_id for alert in stage.alerts()} == {stage.alerts()[0].alert_id}


def test_while_no_broker_answers_no_camera_counts_as_silent() -> None:
    stage, worker, now = idle(scene(".##", clock_source="arrival"))
    worker.member._subscription.settled = False  # type: ignore[misc]
    for _ in range(6):
        now[0] += 10
        worker.turn()
    del worker.member._subscription.settled  # type: ignore[misc]
    worker.turn()  # what the cameras showed meanwhile is on its way now
    now[0] += 9
    worker.turn()
    assert "closed" not in states_of(stage)
    now[0] += 1
    worker.turn()
    assert states_of(stage)[-1] == "closed"


def test_memory_is_flat_while_cameras_and_sessions_come_and_go() -> None:
    stage, worker, now = idle([])
    grounder_ = worker.worker._grounder
    kept = []
    for visit in range(60):  # ten minutes each, on one of 40 cameras, with one event
        camera, session = f"camera-{visit % 40}", 1000 * int(now[0])
        stage.show(scene("..##......", camera_id=camera, session=session, clock_source="arrival"))
        worker.turn()
        for _ in range(10):
            now[0] += 60
            worker.turn()
        kept.append(
            len(worker.worker._hearing._heard)
            + len(grounder_._parts.buffer._sessions)
            + len(worker.member._held.cameras)
        )
    assert states_of(stage).count("opened") == 60
    assert max(kept) <= 6
    now[0] += 600
    worker.turn()
    assert worker.worker._hearing._heard == grounder_._parts.buffer._sessions == {}
    assert grounder_.tracker._cameras == {}
    assert not worker.member._held.cameras
    states = stage.bus.subscribe(ALERT_STATE.name)
    assert {record.value for record in states.poll(0.0)} <= {None}


def test_a_resumable_alert_carries_its_state_and_the_camera_s_lies_beside_it() -> None:
    bus = MemoryBus()
    alerts, states = bus.subscribe(ALERTS.name), bus.subscribe(ALERT_STATE.name)
    for clip in scene(".##."):
        bus.publish(message(clip))
    Driven(bus).settle()
    (record, *_) = alerts.poll(10)
    again = AlertTracker(CONFIG.alerts)
    again.restore_alerts([tracked_state(record.headers)])
    opened = unpack_alert(record.value or b"")
    (closed,) = again.finish()
    assert (closed.alert_id, closed.revision) == (opened.alert_id, 2)
    state = unpack_alert_state(states.poll(10)[-1].value or b"")
    assert (state.camera_id, state.clock, state.live) == ("yard", T0 + 8, False)
    assert state.covered == Covered(SESSION, 3, T0 + 8)
    again.restore_camera("yard", state.tracks)
    assert [alert.alert_id for alert in again.finish()] == [opened.alert_id]


def test_of_an_alert_that_closed_nothing_is_open() -> None:
    stage, _, _ = idle(scene(".##" + "." * 40))
    records = stage.records
    assert tracked_state(records[-1].headers) == b""
    assert all(tracked_state(record.headers) for record in records[:-1])


def test_what_a_silent_camera_forgets_is_published_too() -> None:
    # A candidate that ends in silence is told to nobody, but must not come back.
    stage, worker, now = idle(scene("##.", axis=1, clock_source="arrival"))
    tracker = worker.worker._grounder.tracker
    assert tracker.active("yard") == {"q1"}
    now[0] += 60
    worker.turn()
    assert tracker.active("yard") == set()
    worker.die()
    second = Driven(stage.bus, clock=lambda: now[0])
    second.settle()
    assert second.worker._grounder.tracker.active("yard") == set()


def test_the_alerts_of_a_run_that_ends_carry_no_state(bus: MemoryBus) -> None:
    alerts = bus.subscribe(ALERTS.name)
    _, thread = start(bus, threading.Event())
    publish(bus, "##")
    bus.finish(EMBEDDINGS.name)
    assert {tracked_state(record.headers) for record in alerts.poll(10)} == {b""}
    thread.join(10)


def test_stop_ends_the_worker_and_its_topic_and_leaves_alerts_open(bus: MemoryBus) -> None:
    stop, alerts = threading.Event(), bus.subscribe(ALERTS.name)
    _, thread = start(bus, stop)
    publish(bus, ".##")
    events = alerts_of(alerts, stop_after=1)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    events += alerts_of(alerts)
    assert alerts.finished
    assert {alert.state for alert in events} <= {"opened", "updated"}


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


def test_a_resumable_worker_puts_a_foreign_space_aside() -> None:
    foreign = embedding(0)
    object.__setattr__(foreign, "space_id", "other")
    stage, _, _ = idle([foreign, *scene(" ##")])
    (letter,) = letters(stage)
    assert dict(letter.headers)["error"] == b"ForeignSpaceError"
    assert dict(letter.headers)["attempt"] == b"1"
    assert "opened" in states_of(stage)


def letters(stage: Stage) -> list[Record]:
    return list(stage.letters.poll(0.0))


def test_an_embedding_that_raises_twice_is_put_aside_and_not_filled_in_again() -> None:
    name, labels = "watchword_dead_letters_total", {"stage": "grounding"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    bad = embedding(3, {0: 0.7, BAD_AXIS: 0.6})
    stage = Stage([*scene(".#."), bad, *scene("    ..#")], partitions=1)
    first = Driven(stage.bus, graph=FaultyGraph())
    first.settle()
    first.die()
    (letter,) = letters(stage)
    assert dict(letter.headers)["error"] == b"RuntimeError"
    assert dict(letter.headers)["attempt"] == b"2"
    assert dict(letter.headers)["offset"] == b"3"
    assert (REGISTRY.get_sample_value(name, labels) or 0) == before + 1
    second = Driven(stage.bus, graph=FaultyGraph())
    second.settle()
    block = second.worker._grounder.windows.mark("yard").block
    assert block is not None
    assert list(block.mask[:7]) == [True, True, True, False, True, True, True]
    assert letters(stage) == []


class DeadlyGraph(DetectorGraph):
    """No process survives a window with a bad clip in it."""

    def run(self, inputs):
        if (inputs["video"][..., BAD_AXIS] > 0.1).any():
            raise Killed
        return super().run(inputs)


@pytest.mark.parametrize("place", [0, 2, 5])
def test_an_embedding_of_which_three_processes_died_is_put_aside(place: int) -> None:
    flags = "..##......"
    clips = [clip for clip in scene(flags) if clip.index != place]
    clips.insert(place, embedding(place, {0: 0.7, BAD_AXIS: 0.6}))
    stage = Stage(clips)
    stage.end()
    deaths = 0
    while True:
        try:
            make_worker(stage.bus, graph=DeadlyGraph()).run(threading.Event())
        except Killed:
            deaths += 1
            assert deaths < 20
            continue
        break
    assert deaths >= 3
    (letter,) = letters(stage)
    assert dict(letter.headers)["error"] == b"PoisonRecordError"
    assert dict(letter.headers)["attempt"] == b"3"
    assert dict(letter.headers)["offset"] == str(place).encode()
    expected = Stage([clip for clip in scene(flags) if clip.index != place])
    expected.end()
    make_worker(expected.bus).run(threading.Event())
    assert stage.told() == expected.told()


def test_of_a_lost_commit_nothing_is_remembered_twice() -> None:
    stage = Stage(scene(".##..."), partitions=1)
    stage.end()
    worker = make_worker(stage.bus, Life(lost=[2]))
    worker.run(threading.Event())
    assert worker.counts.windows == 7  # the lost one was evaluated again
    assert not worker.ready
    assert len(stage.told()) == len(stage.alerts())


def test_the_lag_is_that_of_what_waited_longest_of_live_cameras() -> None:
    def arrival(camera: str, published: float, source: str = "arrival") -> Arrival:
        record = Record(EMBEDDINGS.name, 0, 0, camera, b"", (), published)
        return Arrival(record, embedding(0, camera_id=camera, clock_source=source))

    read = [arrival("yard", 1.0), arrival("gate", 5.0), arrival("yard", 8.0)]
    assert lag_seconds(read, 10.0) == 9.0
    assert lag_seconds([*read, arrival("film", 0.0, "file")], 10.0) == 9.0
    assert lag_seconds([arrival("film", 0.0, "file")], 10.0) == 0.0
    assert lag_seconds(read[1:], 2.0) == 0.0  # the broker's clock is ahead
    assert lag_seconds([], 10.0) == 0.0
