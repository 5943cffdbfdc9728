"""Streamers that share the cameras: one comes, one leaves, one hangs."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streamer import part
from streamer.address_policy import AddressPolicy
from streamer.bus import CAMERAS, CLIPS, HEALTH, Message, partition_of
from streamer.camera_record import CameraRecord, pack_camera
from streamer.clip import Clip
from streamer.config import BackOffSettings, StreamerPartConfig
from streamer.health import CameraHealth, pack_health, unpack_health
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.part import StreamerPart
from streamer.record import unpack_clip
from tests.streamer.media import START
from tests.streamer.script import FORMAT, Stage

CONFIG = StreamerPartConfig(
    clip_format=FORMAT,
    address_policy=AddressPolicy(loopback=True, private=False),
    back_off=BackOffSettings(0.01, 0.02),
)
# Of two readers of two partitions the first has partition 0, the second partition 1
FIRST, SECOND = (
    next(c for c in ("yard", "gate", "hall", "roof", "dock") if partition_of(c, 2) == p)
    for p in (0, 1)
)


def url(camera_id: str) -> str:
    return f"rtsp://127.0.0.1/{camera_id}"


class SharedBus(MemoryBus):
    """What several processes share: that one of them is through ends nothing for the others."""

    def __init__(self) -> None:
        super().__init__(partitions=2)
        self.ended: list[str] = []

    def finish(self, topic: str) -> None:
        self.ended.append(topic)


class Process:
    """A streamer at work, with a stage and a registry of its own."""

    def __init__(self, bus: SharedBus, config: StreamerPartConfig) -> None:
        self.stage, self.registry, self.stop = Stage(), CollectorRegistry(), threading.Event()
        self.part = StreamerPart(config, bus, StreamerMetrics(self.registry), self.stage)
        self._thread = threading.Thread(target=self.part.run, args=(self.stop,))
        self._thread.start()

    def wait(self, is_so: Callable[[], bool]) -> None:
        deadline, pause = time.monotonic() + 20, threading.Event()
        while not is_so():
            assert time.monotonic() < deadline
            pause.wait(0.005)

    def wait_until_ready(self) -> None:
        self.wait(lambda: self.part.ready)

    @property
    def series(self) -> set[str]:
        """The cameras that have a series."""
        text = generate_latest(self.registry).decode()
        return {c for c in (FIRST, SECOND) if f'camera="{c}"' in text}

    @property
    def refused(self) -> float:
        return self.registry.get_sample_value("watchword_stream_publishes_refused_total") or 0.0

    def leave(self) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "POLL_SECONDS", 0.02)


@pytest.fixture
def bus() -> Iterator[SharedBus]:
    bus = SharedBus()
    yield bus
    bus.close()


@pytest.fixture
def start(bus: SharedBus) -> Iterator[Callable[..., Process]]:
    processes: list[Process] = []

    def start(config: StreamerPartConfig = CONFIG) -> Process:
        processes.append(Process(bus, config))
        return processes[-1]

    yield start
    for process in processes:
        process.leave()


def tell(bus: SharedBus, *camera_ids: str, revision: int = 1) -> None:
    for camera_id in camera_ids:
        record = CameraRecord(camera_id=camera_id, source=url(camera_id), revision=revision)
        bus.publish(Message(CAMERAS.name, camera_id, pack_camera(record)))


def health(bus: SharedBus, camera_id: str) -> CameraHealth | None:
    """The newest word on a camera."""
    reader = bus.subscribe(HEALTH.name)
    records = [record for record in reader.poll(0.05) if record.key == camera_id]
    reader.close()
    return unpack_health(records[-1].value) if records and records[-1].value else None


def clips(bus: SharedBus, camera_id: str) -> list[Clip]:
    """All clips that lie there."""
    reader = bus.subscribe(CLIPS.name)
    records = reader.poll(0.05)
    reader.close()
    return [unpack_clip(r.value) for r in records if r.key == camera_id and r.value]


def test_one_comes_and_one_leaves(bus: SharedBus, start: Callable[..., Process]):
    tell(bus, FIRST, SECOND)
    one = start()
    one.stage.wait_for(url(FIRST), url(SECOND))
    one.wait_until_ready()
    two = start()
    two.stage.wait_for(url(SECOND))
    two.wait_until_ready()
    one.wait_until_ready()
    assert one.stage.playing == [FIRST]
    assert two.stage.playing == [SECOND]
    two.stage.wait_for_pictures(SECOND)
    assert SECOND not in one.series
    assert two.series == {SECOND}
    one.leave()
    two.stage.wait_for(url(FIRST))
    two.wait_until_ready()
    assert sorted(two.stage.playing) == sorted([FIRST, SECOND])
    assert len(two.stage.threads_of(SECOND)) == 1  # what stayed where it was went on
    assert one.stage.overlaps == two.stage.overlaps == []


def test_what_moved_is_live_again_and_its_sessions_go_on(
    bus: SharedBus, start: Callable[..., Process]
):
    tell(bus, SECOND)
    one = start()
    reader, seen = bus.subscribe(CLIPS.name), list[Clip]()

    def gathered() -> list[Clip]:
        """All clips that ever lay there: the topic keeps a few."""
        seen.extend(unpack_clip(r.value) for r in reader.poll(0.05) if r.value)
        return seen

    one.wait(lambda: len(gathered()) >= 1)
    two = start()
    two.stage.wait_for_pictures(SECOND)
    two.wait(lambda: (h := health(bus, SECOND)) is not None and h.state == "live")
    two.wait(lambda: len({clip.session for clip in gathered()}) == 2)
    reader.close()
    old, *_, new = seen
    assert old.start == pytest.approx(START, abs=0.1)
    # All pictures of this stage begin at START: what the second process sees comes after that
    assert new.session > old.session
    assert new.start >= time.time() - 60
    assert 0 < old.watched_since <= new.watched_since <= time.time()


def test_sessions_go_on_after_those_of_a_clock_that_was_ahead(
    bus: SharedBus, start: Callable[..., Process], caplog: pytest.LogCaptureFixture
):
    ahead = time.time() + 3600
    said = CameraHealth(FIRST, "live", ahead)
    bus.publish(Message(HEALTH.name, FIRST, pack_health(said)))
    bus.publish(Message(HEALTH.name, SECOND, b"?"))
    tell(bus, FIRST, SECOND)
    one = start()
    one.wait(lambda: len(clips(bus, FIRST)) >= 1)
    assert clips(bus, FIRST)[0].session > ahead * 1000
    assert f"camera {FIRST}: the clock of the machine that had it before is" in caplog.text
    assert f"camera {SECOND}: where it left off is not known" in caplog.text
    one.stage.wait_for_pictures(SECOND)


def test_one_that_hangs_is_left_behind_and_says_nothing_more(
    bus: SharedBus, start: Callable[..., Process]
):
    tell(bus, SECOND)
    one = start(replace(CONFIG, stop_seconds=0.05))
    release = one.stage.held[SECOND] = threading.Event()
    one.stage.wait_for_pictures(SECOND)
    two = start()
    two.stage.wait_for_pictures(SECOND)
    two.wait(lambda: (h := health(bus, SECOND)) is not None and h.state == "live")
    release.set()
    one.wait(lambda: one.refused > 0)
    one.stage.threads_of(SECOND)[0].join(20)
    last = health(bus, SECOND)
    assert last is not None
    assert last.state == "live"
    assert one.series == set()
    one.wait_until_ready()


def test_one_that_comes_back_while_its_old_self_hangs(
    bus: SharedBus, start: Callable[..., Process]
):
    tell(bus, SECOND)
    one = start(replace(CONFIG, stop_seconds=0.05))
    release = one.stage.held[SECOND] = threading.Event()
    one.stage.wait_for_pictures(SECOND)
    two = start()
    two.stage.wait_for_pictures(SECOND)
    two.leave()
    one.stage.wait_for(url(SECOND), url(SECOND))
    release.set()
    one.wait(lambda: one.refused > 0)
    one.stage.wait_for_pictures(SECOND)
    one.wait(lambda: (h := health(bus, SECOND)) is not None and h.state == "live")
    assert one.registry.get_sample_value("watchword_stream_up", {"camera": SECOND}) == 1


def test_of_a_partitions_past_only_the_newest_word_counts(
    bus: SharedBus, start: Callable[..., Process]
):
    """As on a topic that was not compacted yet."""
    alone = StreamerPart(CONFIG, bus, StreamerMetrics(CollectorRegistry()), Stage())
    reader = bus.subscribe(CAMERAS.name)
    tell(bus, FIRST, revision=3)
    records = list(reader.poll(0.0))
    tell(bus, FIRST, revision=2)
    records += reader.poll(0.0)
    tell(bus, SECOND)
    records += reader.poll(0.0)
    bus.publish(Message(CAMERAS.name, SECOND, None))
    records += reader.poll(0.0)
    for record in records:
        alone._note(record)
    pending = alone._pending
    assert pending[SECOND] is None
    assert pending[FIRST] is not None
    assert pending[FIRST].revision == 3
    alone._let_go(frozenset({0, 1}))
    assert alone._pending == {}


def test_a_camera_removed_while_nobody_held_it_leaves_no_health(
    bus: SharedBus, start: Callable[..., Process]
):
    said = CameraHealth(FIRST, "live", 1.0)
    bus.publish(Message(HEALTH.name, FIRST, pack_health(said)))
    tell(bus, FIRST)
    bus.publish(Message(CAMERAS.name, FIRST, None))
    start().wait(lambda: health(bus, FIRST) is None)


def test_it_commits_nothing_and_ends_its_own_clips_alone(
    bus: SharedBus, start: Callable[..., Process]
):
    tell(bus, FIRST)
    one = start()
    one.stage.wait_for(url(FIRST))
    one.leave()
    assert bus.ended == [CLIPS.name]
    again = start()
    again.stage.wait_for(url(FIRST))
    assert not one.part.ready
