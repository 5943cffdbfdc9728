"""What the store holds reaches the topics: all of it at the start, then every change."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.outbox_pump import OutboxPump
from deploy.store import Store, open_store
from deploy.vault import Vault
from grounding.feedback_record import unpack_feedback
from grounding.stored_alert import Feedback
from streamer.bus import CAMERAS, FEEDBACK
from streamer.camera_record import CameraRecord, unpack_camera
from streamer.memory_bus import MemoryBus
from tests.deploy.store.records import opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", Vault.open(tmp_path / "key"))
    yield store
    store.close()


def camera(camera_id: str) -> CameraRecord:
    return CameraRecord(camera_id=camera_id, source=f"rtsp://{camera_id}/live")


def test_the_start_tells_everything_once(store: Store):
    for name in ("east", "west"):
        store.cameras.add(camera(name), "test")
    bus = MemoryBus()
    reader = bus.subscribe(CAMERAS.name)
    OutboxPump(store.outbox, bus).seed()
    told = [unpack_camera(record.value or b"") for record in reader.poll(1.0)]
    assert {one.camera_id for one in told} == {"east", "west"}
    assert not store.outbox.pending(10)


def test_changes_are_told_in_order_and_noted(store: Store):
    bus, stop = MemoryBus(), threading.Event()
    reader = bus.subscribe(CAMERAS.name)
    thread = threading.Thread(target=OutboxPump(store.outbox, bus).run, args=(stop,))
    thread.start()
    try:
        store.cameras.add(camera("yard"), "test")
        store.cameras.remove("yard", "test")
        values, deadline = [b""], time.monotonic() + 60
        while values[-1] is not None and time.monotonic() < deadline:
            values += [record.value for record in reader.poll(0.2)]
        assert values[-1] is None
        while store.outbox.pending(10) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not store.outbox.pending(10)
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_of_an_entity_the_newest_is_told_and_of_feedback_all(store: Store):
    bus, stop = MemoryBus(), threading.Event()
    cameras, feedback = bus.subscribe(CAMERAS.name), bus.subscribe(FEEDBACK.name)
    store.cameras.add(camera("yard"), "test")
    store.cameras.remove("yard", "test")
    store.alerts.write(opened("one", "two"))  # both of one camera
    for name in ("one", "two"):
        store.alerts.give_feedback(name, Feedback(verdict="right"))
    thread = threading.Thread(target=OutboxPump(store.outbox, bus).run, args=(stop,))
    thread.start()
    try:
        judged: list[str] = []
        while len(judged) < 2:
            records = feedback.poll(10.0)
            assert records
            judged += [unpack_feedback(record.value or b"").alert_id for record in records]
        assert judged == ["one", "two"]
        assert [record.value for record in cameras.poll(1.0)] == [None]
    finally:
        stop.set()
        thread.join(10)


def test_a_closed_bus_ends_it_and_nothing_is_noted(store: Store):
    bus = MemoryBus()
    bus.close()
    store.cameras.add(camera("yard"), "test")
    OutboxPump(store.outbox, bus).run(threading.Event())
    assert len(store.outbox.pending(10)) == 1
