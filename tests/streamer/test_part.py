"""The streamer part: what lies on the cameras topic, and what comes."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from streamer import part
from streamer.address_policy import AddressPolicy
from streamer.bus import CAMERAS, CLIPS, DEAD_LETTERS, HEALTH, Message
from streamer.camera_record import CameraRecord, pack_camera
from streamer.config import BackOffSettings, Isolation, StreamerPartConfig
from streamer.fleet import Fleet
from streamer.frame import Frame
from streamer.health import CameraHealth, pack_health
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.part import StreamerPart
from tests.streamer.media import SMALL, Video, write_video
from tests.streamer.script import FORMAT, Stage

CONFIG = StreamerPartConfig(
    clip_format=FORMAT,
    address_policy=AddressPolicy(loopback=True, private=False),
    back_off=BackOffSettings(0.01, 0.02),
)
YARD = CameraRecord(camera_id="yard", source="rtsp://127.0.0.1/yard", revision=1)
GATE = CameraRecord(camera_id="gate", source="rtsp://127.0.0.1/gate", revision=1)


class Running:
    """A part at work, and what it raised."""

    def __init__(self, built: StreamerPart) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._built = built
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._built.run(self.stop)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def join(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def bus() -> Iterator[MemoryBus]:
    bus = MemoryBus()
    yield bus
    bus.close()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def run(bus: MemoryBus, registry: CollectorRegistry) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def run(built: StreamerPart) -> Running:
        started.append(Running(built))
        return started[-1]

    yield run
    for running in started:
        running.stop.set()
        running.join()


@pytest.fixture
def built(bus: MemoryBus, registry: CollectorRegistry, stage: Stage) -> StreamerPart:
    return StreamerPart(CONFIG, bus, StreamerMetrics(registry), stage)


def wait_until_ready(part: StreamerPart) -> None:
    deadline, pause = time.monotonic() + 20, threading.Event()
    while not part.ready:
        assert time.monotonic() < deadline
        pause.wait(0.005)


def tell(bus: MemoryBus, camera: CameraRecord) -> None:
    bus.publish(Message(CAMERAS.name, camera.camera_id, pack_camera(camera)))


def test_it_runs_what_lay_there_and_what_comes(run, built: StreamerPart, bus, stage: Stage):
    tell(bus, YARD)
    running = run(built)
    wait_until_ready(built)
    stage.wait_for(YARD.source)
    tell(bus, GATE)
    stage.wait_for(GATE.source)
    bus.publish(Message(CAMERAS.name, "gate", None))
    stage.wait_until_over("gate")
    assert stage.playing == ["yard"]
    running.stop.set()
    running.join()
    assert running.error is None
    reader = bus.subscribe(CLIPS.name)
    while reader.poll(0):
        pass
    assert reader.finished


def test_it_starts_nothing_when_it_is_built(built: StreamerPart, bus: MemoryBus, stage: Stage):
    tell(bus, YARD)
    assert built.name == "streamer"
    assert not built.ready
    assert stage.opened == []


def test_it_is_ready_without_cameras(run, built: StreamerPart):
    run(built)
    wait_until_ready(built)


def test_a_record_that_cannot_be_read_is_counted_and_left_out(
    run, built: StreamerPart, bus: MemoryBus, stage: Stage, registry: CollectorRegistry
):
    bus.publish(Message(CAMERAS.name, "gate", b"{"))
    tell(bus, msgspec.structs.replace(GATE, camera_id="Hall"))
    tell(bus, YARD)
    run(built)
    stage.wait_for(YARD.source)
    wait_until_ready(built)
    assert registry.get_sample_value("watchword_camera_records_refused_total") == 2


def later(record: bytes) -> bytes:
    """The record as a later Watchword writes it."""
    return msgspec.json.encode({**msgspec.json.decode(record), "schema": 2})


def test_a_camera_of_a_later_schema_is_put_aside_and_what_it_was_goes_on(
    run, built: StreamerPart, bus: MemoryBus, stage: Stage
):
    letters = bus.subscribe(DEAD_LETTERS.name)
    tell(bus, YARD)
    run(built)
    stage.wait_for(YARD.source)
    newer = later(pack_camera(msgspec.structs.replace(YARD, revision=2, source="rtsp://x/y")))
    bus.publish(Message(CAMERAS.name, "yard", newer))
    (letter,) = letters.poll(20)
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == ("yard", newer)
    assert (headers["topic"], headers["error"]) == (CAMERAS.name.encode(), b"NewerRecordError")
    assert stage.playing == ["yard"]


def test_health_of_a_later_schema_is_put_aside(run, built: StreamerPart, bus, stage: Stage):
    letters = bus.subscribe(DEAD_LETTERS.name)
    newer = later(pack_health(CameraHealth("yard", "live", 0.0)))
    bus.publish(Message(HEALTH.name, "yard", newer))
    tell(bus, YARD)
    run(built)
    stage.wait_for(YARD.source)
    (letter,) = letters.poll(20)
    assert (letter.key, letter.value) == ("yard", newer)
    assert dict(letter.headers)["topic"] == HEALTH.name.encode()


def test_a_bug_in_a_camera_is_raised_out_of_the_part(
    run, built: StreamerPart, bus: MemoryBus, stage: Stage
):
    stage.errors[YARD.source] = ZeroDivisionError("a bug")
    tell(bus, YARD)
    tell(bus, GATE)
    running = run(built)
    running.join()
    assert isinstance(running.error, ZeroDivisionError)
    assert stage.playing == []


def test_a_bug_that_shows_at_the_end_is_raised_too(
    run, bus: MemoryBus, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
):
    opened, ending = threading.Event(), threading.Event()
    stop_all = Fleet.stop

    def stop_noticed(fleet: Fleet) -> None:
        ending.set()
        stop_all(fleet)

    def broken(*_: object) -> Iterator[Frame]:
        opened.set()
        ending.wait(10)
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Fleet, "stop", stop_noticed)
    tell(bus, YARD)
    running = run(StreamerPart(CONFIG, bus, StreamerMetrics(registry), broken))
    assert opened.wait(10)
    running.stop.set()
    running.join()
    assert isinstance(running.error, ZeroDivisionError)


def test_a_closed_bus_ends_it(run, built: StreamerPart, bus: MemoryBus, stage: Stage):
    tell(bus, YARD)
    running = run(built)
    stage.wait_for(YARD.source)
    bus.close()
    running.join()
    assert running.error is None


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_built_for_a_server_it_reads_files(
    run, bus: MemoryBus, registry: CollectorRegistry, tmp_path: Path, isolation: Isolation
):
    path = write_video(tmp_path / "a.mp4", Video(), 3)
    reading = StreamerPartConfig(
        clip_format=SMALL,
        address_policy=CONFIG.address_policy,
        file_roots=(tmp_path,),
        isolation=isolation,
    )
    tell(bus, CameraRecord(camera_id="yard", source=str(path)))
    run(part.build(reading, bus, StreamerMetrics(registry)))
    reader = bus.subscribe(CLIPS.name, "g")
    deadline = time.monotonic() + 20
    while not (records := reader.poll(1.0)):
        assert time.monotonic() < deadline
    assert [record.key for record in records] == ["yard"]
