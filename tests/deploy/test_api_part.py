"""What the api part stores of the topics, and when it ends; HTTP is in tests/deploy/http."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.api_part import ApiPart, ApiParts
from deploy.store import Store, open_store
from deploy.vault import Vault
from encoder.stored_dead_letter import DeadLetterFilter
from grounding.alert_stream import AlertStream, AlertStreamOptions
from grounding.blind import BlindPeriod, blind_message
from grounding.stored_blind import BlindFilter
from streamer.bus import ALERT_STATE, ALERTS, BLIND, CAMERAS, HEALTH, Message
from streamer.camera_record import CameraRecord
from streamer.health import CameraHealth, pack_health
from streamer.memory_bus import MemoryBus


class Idle:
    """Stands for deliveries and HTTP: works until it is told to end."""

    def __init__(self) -> None:
        self.began = threading.Event()

    def run(self, stop: threading.Event) -> None:
        self.began.set()
        stop.wait()


class World:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.bus = MemoryBus()
        self.http = Idle()
        stream = AlertStream(store.alerts, AlertStreamOptions())
        parts = ApiParts(store, stream, Idle(), self.http, 90)  # type: ignore[arg-type]
        self.part = ApiPart(parts, self.bus)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.part.run, args=(self.stop,))

    def say_health(self, camera_id: str, state: str) -> None:
        health = CameraHealth(camera_id, state, 1_700_000_000.0)  # type: ignore[arg-type]
        self.bus.publish(Message(HEALTH.name, camera_id, pack_health(health)))

    def ends(self) -> bool:
        self.thread.join(60)
        return not self.thread.is_alive()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", Vault.open(tmp_path / "key"))
    for name in ("east", "west"):
        store.cameras.add(CameraRecord(camera_id=name, source=f"rtsp://{name}/live"), "test")
    world = World(store)
    yield world
    world.stop.set()
    world.bus.close()
    if world.thread.ident is not None:
        assert world.ends()
    store.close()


def state_of(world: World, camera_id: str) -> str | None:
    found = world.store.cameras.health(camera_id)
    return found.state if found else None


def test_it_ends_once_the_alerts_have_and_what_came_before_is_stored(world: World):
    world.thread.start()
    assert world.http.began.wait(30)
    world.say_health("east", "live")
    world.bus.finish(ALERTS.name)
    assert world.ends()
    assert state_of(world, "east") == "live"


def test_told_to_end_it_leaves_the_rest_on_its_topics(world: World):
    world.thread.start()
    world.stop.set()
    assert world.ends()
    world.say_health("east", "live")
    assert state_of(world, "east") is None


def test_how_cameras_fare_is_known_to_every_process(world: World):
    world.say_health("west", "offline")
    world.thread.start()
    while not world.part.ready:
        assert not world.stop.wait(0.01)
    assert state_of(world, "west") == "offline"
    assert HEALTH.name not in world.bus.lags()  # no group that would give it to one of them


def test_it_is_ready_once_it_knows_what_it_stores(world: World):
    assert not world.part.ready
    world.thread.start()
    while not world.part.ready:
        assert not world.stop.wait(0.01)


def test_open_alerts_are_told_where_the_bus_has_forgotten_them(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    monkeypatch.setattr(
        type(world.store.alerts), "open_states", lambda _self: asked.append("states") or []
    )
    world.part.seed(alert_state=False)
    assert len(world.bus.subscribe(CAMERAS.name).poll(1.0)) == 2
    assert not asked
    world.part.seed(alert_state=True)
    assert asked
    assert list(world.bus.subscribe(ALERT_STATE.name).poll(0.0)) == []


def test_what_is_no_blind_period_is_put_aside_and_the_others_are_stored(world: World):
    period = BlindPeriod(camera_id="east", start=1.0, end=2.0, reason="lag")
    for value in (b"broken", blind_message(period).value):
        world.bus.publish(Message(BLIND.name, "east", value))
    world.thread.start()
    while not (stored := world.store.blind_periods.page(BlindFilter(), None, 9)):
        assert not world.stop.wait(0.01)
    assert [one.period for one in stored] == [period]
    while not (letters := world.store.dead_letters.page(DeadLetterFilter(), 0, 9)):
        assert not world.stop.wait(0.01)
    assert [(one.topic, one.error) for one in letters] == [(BLIND.name, "RecordError")]
