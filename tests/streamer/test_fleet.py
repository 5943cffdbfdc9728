"""Several cameras at once: one is changed, the others go on."""

import http.server
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streamer.address_policy import AddressPolicy
from streamer.bus import CLIPS, HEALTH, Subscription, partition_of
from streamer.camera_record import CameraRecord, Credentials
from streamer.clip import Clip
from streamer.config import BackOffSettings, StreamerPartConfig
from streamer.connection import ReadFrames
from streamer.errors import SourceAddressError, SourceLostError
from streamer.fleet import PAUSED, Fleet, begin_after
from streamer.health import CameraHealth, unpack_health
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.record import unpack_clip
from streamer.source import read_frames
from tests.streamer.media import SMALL, START, Video, read_number, write_video
from tests.streamer.script import FORMAT, Stage

CONFIG = StreamerPartConfig(
    clip_format=FORMAT,
    address_policy=AddressPolicy(loopback=True, private=False),
    file_roots=None,
    unseal=lambda text: text[::-1],
    environ={},
    back_off=BackOffSettings(0.01, 0.02),
)


def at(camera_id: str, path: str = "live", revision: int = 1, **fields: object) -> CameraRecord:
    source = path if "/" in path else f"rtsp://127.0.0.1/{camera_id}/{path}"
    return CameraRecord(camera_id=camera_id, source=source, revision=revision, **fields)


def url(camera_id: str, path: str = "live") -> str:
    return f"rtsp://127.0.0.1/{camera_id}/{path}"


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
def make(bus: MemoryBus, registry: CollectorRegistry) -> Iterator[Callable[..., Fleet]]:
    fleets: list[Fleet] = []

    def make(reader: ReadFrames, config: StreamerPartConfig = CONFIG) -> Fleet:
        fleets.append(Fleet(config, bus, StreamerMetrics(registry), reader))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.stop()


@pytest.fixture
def fleet(make: Callable[..., Fleet], stage: Stage) -> Fleet:
    return make(stage)


class Healths:
    """The latest health of each camera; None once it was taken back."""

    def __init__(self, bus: MemoryBus) -> None:
        self.states: dict[str, CameraHealth | None] = {}
        self._reader: Subscription = bus.subscribe(HEALTH.name)

    def wait_for(self, camera_id: str, is_so: Callable[[CameraHealth | None], bool]) -> None:
        deadline = time.monotonic() + 20
        while not (camera_id in self.states and is_so(self.states[camera_id])):
            assert time.monotonic() < deadline, self.states
            for record in self._reader.poll(1.0):
                value = record.value
                self.states[record.key] = None if value is None else unpack_health(value)

    def wait_for_state(self, camera_id: str, state: str) -> CameraHealth:
        self.wait_for(camera_id, lambda health: health is not None and health.state == state)
        health = self.states[camera_id]
        assert health is not None
        return health


@pytest.fixture
def healths(bus: MemoryBus) -> Healths:
    return Healths(bus)


def series(registry: CollectorRegistry, camera_id: str) -> list[str]:
    text = generate_latest(registry).decode()
    return [line for line in text.splitlines() if f'camera="{camera_id}"' in line]


def read_clips(bus: MemoryBus, camera_id: str, count: int) -> list[Clip]:
    reader, clips = bus.subscribe(CLIPS.name, "g"), list[Clip]()
    deadline = time.monotonic() + 20
    while len(clips) < count and time.monotonic() < deadline:
        clips += [unpack_clip(r.value or b"") for r in reader.poll(1.0) if r.key == camera_id]
        reader.commit()
    reader.close()
    return clips


# -- one is changed, the others go on -------------------------------------------------------------


@pytest.mark.parametrize("cameras", [1, 2, 3, 4, 8, 13, 40])
def test_clips_of_cameras_that_begin_together_end_spread_in_time(cameras: int):
    ends = sorted(begin_after(number, 2.0) for number in range(cameras))
    gaps = [after - before for before, after in itertools.pairwise([*ends, 2.0])]
    assert begin_after(0, 2.0) == 0.0
    assert max(gaps) < 2 * 2.0 / cameras
    assert min(gaps) > 0.38 * 2.0 / cameras


def test_each_camera_has_a_thread(fleet: Fleet, stage: Stage, healths: Healths):
    for camera_id in ("yard", "gate", "hall"):
        fleet.apply(at(camera_id))
    for camera_id in ("yard", "gate", "hall"):
        healths.wait_for_state(camera_id, "live")
    threads = [stage.threads_of(camera_id)[0] for camera_id in ("yard", "gate", "hall")]
    assert len(set(threads)) == 3
    assert threads[0].name == "camera yard"


@pytest.mark.parametrize(
    "change",
    [
        {"source": url("gate", "other")},
        {"loop": True},
        {"rtsp_transport": "udp"},
        {"decoder": "cpu"},
        {"credentials": Credentials(sealed="b:a")},
        {"sub_source": url("gate", "small")},
        {"decode": "keyframes"},
        {"masks": (((0, 0), (1, 0), (1, 1)),)},
        {"region": (0, 0, 0.5, 0.5)},
        {"evidence": False},
    ],
)
def test_what_leads_elsewhere_begins_anew_and_touches_no_other(
    fleet: Fleet, stage: Stage, change: dict[str, object]
):
    fleet.apply(at("yard"))
    fleet.apply(at("gate"))
    stage.wait_for(url("yard"), url("gate"))
    fleet.apply(
        CameraRecord(**{"camera_id": "gate", "source": url("gate"), "revision": 2} | change)
    )
    with stage.changed:
        assert stage.changed.wait_for(lambda: len(stage.opened) == 3, 10)
    stage.wait_for_pictures("yard")
    assert len(stage.threads_of("gate")) == 2
    assert len(stage.threads_of("yard")) == 1
    assert stage.threads_of("yard")[0].is_alive()
    assert stage.overlaps == []


def test_sessions_of_an_untouched_camera_go_on(fleet: Fleet, stage: Stage, bus: MemoryBus):
    fleet.apply(at("yard"))
    fleet.apply(at("gate"))
    stage.wait_for(url("yard"), url("gate"))
    fleet.apply(at("gate", "other", 2))
    stage.wait_for(url("gate", "other"))
    fleet.remove("gate")
    stage.wait_until_over("gate")
    clips = read_clips(bus, "yard", 4)
    assert len({clip.session for clip in clips}) == 1
    indices = [clip.index for clip in clips]
    assert indices == list(range(indices[0], indices[0] + len(indices)))


def test_labels_do_not_touch_a_camera(fleet: Fleet, stage: Stage):
    fleet.apply(at("yard"))
    stage.wait_for(url("yard"))
    fleet.apply(at("yard", revision=2, labels={"floor": "1"}, updated_at=5.0))
    fleet.apply(at("yard", revision=2))  # the outbox may say a thing twice
    stage.wait_for_pictures("yard")
    assert len(stage.threads_of("yard")) == 1


def test_lower_revisions_are_ignored(fleet: Fleet, stage: Stage):
    fleet.apply(at("yard", revision=3))
    stage.wait_for(url("yard"))
    fleet.apply(at("yard", "older", revision=2))
    stage.wait_for_pictures("yard")
    fleet.apply(at("yard", "newer", revision=4))
    stage.wait_for(url("yard", "newer"))
    assert url("yard", "older") not in [source for _, source, _ in stage.opened]


def test_a_paused_camera_rests_until_it_is_resumed(
    fleet: Fleet, stage: Stage, healths: Healths, registry: CollectorRegistry
):
    fleet.apply(at("yard"))
    healths.wait_for_state("yard", "live")
    fleet.apply(at("yard", revision=2, paused=True))
    healths.wait_for("yard", lambda health: health is not None and health.message == PAUSED)
    assert stage.playing == []
    assert registry.get_sample_value("watchword_stream_up", {"camera": "yard"}) is None
    fleet.apply(at("yard", "other", revision=3, paused=True))
    fleet.apply(at("yard", "other", revision=4))
    stage.wait_for(url("yard", "other"))
    healths.wait_for_state("yard", "live")


def test_a_camera_added_paused_is_not_read(fleet: Fleet, stage: Stage, healths: Healths):
    fleet.apply(at("yard", paused=True))
    healths.wait_for("yard", lambda health: health is not None and health.message == PAUSED)
    assert stage.opened == []


@pytest.mark.parametrize("is_checked", [True, False])
def test_a_removed_camera_leaves_nothing_behind(
    fleet: Fleet, stage: Stage, healths: Healths, registry: CollectorRegistry, is_checked: bool
):
    for camera_id in ("yard", "gate"):
        fleet.apply(at(camera_id))
        healths.wait_for_state(camera_id, "live")
        stage.wait_for_pictures(camera_id)  # its series come a moment after it is said to be live
    assert series(registry, "gate")
    fleet.remove("gate")
    healths.wait_for("gate", lambda health: health is None)
    assert series(registry, "gate") == []
    assert series(registry, "yard")
    if is_checked:
        fleet.check()
    fleet.remove("gate")  # told twice
    fleet.remove("nobody")
    fleet.apply(at("gate"))
    stage.wait_for(url("gate"), url("gate"))


def test_a_paused_camera_can_be_removed(fleet: Fleet, healths: Healths):
    fleet.apply(at("yard", paused=True))
    healths.wait_for_state("yard", "ended")
    fleet.remove("yard")
    healths.wait_for("yard", lambda health: health is None)


def test_a_camera_is_watched_since_it_was_first_run_or_resumed(
    fleet: Fleet, stage: Stage, healths: Healths, bus: MemoryBus
):
    reader = bus.subscribe(CLIPS.name, "g")

    def watched_since(source: str) -> float:
        stage.wait_for(source)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            records = reader.poll(1.0)
            reader.commit()
            known = [unpack_clip(r.value or b"").watched_since for r in records]
            if known and known[-1] > since:
                return known[-1]
        raise AssertionError(f"no clip of {source}")

    since, began = 0.0, time.time()
    fleet.apply(at("yard", paused=True))
    healths.wait_for_state("yard", "ended")
    resumed = time.time()
    fleet.apply(at("yard", revision=2))
    first = watched_since(url("yard"))
    assert began <= resumed <= first <= time.time()
    fleet.apply(at("yard", "other", revision=3))
    assert watched_since(url("yard", "other")) == first  # one is changed, nobody looked away
    healths.wait_for_state("yard", "live")
    fleet.apply(at("yard", "other", revision=4, paused=True))
    healths.wait_for("yard", lambda health: health is not None and health.message == PAUSED)
    since = first
    fleet.apply(at("yard", "third", revision=5))
    assert watched_since(url("yard", "third")) > first


def test_cameras_of_partitions_that_go_elsewhere_end_and_leave_no_series(
    fleet: Fleet, stage: Stage, healths: Healths, bus: MemoryBus, registry: CollectorRegistry
):
    for camera_id in ("yard", "gate"):
        fleet.apply(at(camera_id))
        healths.wait_for_state(camera_id, "live")
    lost = partition_of("gate", bus.partitions)
    assert lost != partition_of("yard", bus.partitions)
    fleet.release(frozenset({lost}))
    assert stage.playing == ["yard"]
    assert series(registry, "gate") == []
    assert series(registry, "yard")
    fleet.release(frozenset({lost}))
    fleet.apply(at("gate"), not_before=START + 1000.001)
    clip = read_clips(bus, "gate", 1)[-1]
    healths.wait_for_state("gate", "live")
    while clip.session < (START + 1000) * 1000:
        (clip,) = read_clips(bus, "gate", 1)[-1:]


# -- one hangs ------------------------------------------------------------------------------------


def test_a_camera_that_hangs_holds_up_nobody_and_never_plays_twice(fleet: Fleet, stage: Stage):
    release = stage.held["gate"] = threading.Event()
    fleet.apply(at("gate"))
    stage.wait_for(url("gate"))
    fleet.apply(at("gate", "other", 2))
    fleet.remove("gate")
    fleet.apply(at("gate", "third"))
    fleet.apply(at("yard"))
    stage.wait_for(url("yard"))
    assert len(stage.threads_of("gate")) == 1
    release.set()
    stage.wait_for(url("gate", "third"))
    assert [source for camera, source, _ in stage.opened if camera == "gate"] == [
        url("gate"),
        url("gate", "third"),
    ]
    assert stage.overlaps == []


def test_a_camera_that_hangs_does_not_hold_up_the_end(
    make: Callable[..., Fleet], stage: Stage, bus: MemoryBus, caplog: pytest.LogCaptureFixture
):
    release = stage.held["gate"] = threading.Event()
    fleet = make(stage, replace(CONFIG, stop_seconds=0.05))
    fleet.apply(at("gate"))
    stage.wait_for(url("gate"))
    with caplog.at_level(logging.WARNING):
        fleet.stop()
    assert "camera gate: did not end in time" in caplog.text
    bus.finish(CLIPS.name)
    release.set()
    stage.threads_of("gate")[0].join(10)
    fleet.check()  # that it came too late is no fault


def test_all_end_with_the_fleet(fleet: Fleet, stage: Stage, healths: Healths):
    fleet.apply(at("yard"))
    fleet.apply(at("gate", paused=True))
    healths.wait_for_state("yard", "live")
    fleet.stop()
    assert stage.playing == []
    assert not stage.threads_of("yard")[0].is_alive()
    healths.wait_for_state("yard", "ended")


# -- faults ---------------------------------------------------------------------------------------


def test_a_bug_in_a_camera_is_raised(fleet: Fleet, stage: Stage):
    stage.errors[url("yard")] = ZeroDivisionError("a bug")
    fleet.apply(at("yard"))
    stage.wait_for(url("yard"))
    stage.threads_of("yard")[0].join(10)
    with pytest.raises(ZeroDivisionError):
        fleet.check()


def test_a_closed_bus_is_no_fault(fleet: Fleet, stage: Stage, bus: MemoryBus):
    fleet.apply(at("yard"))
    stage.wait_for(url("yard"))
    bus.close()
    fleet.stop()
    fleet.check()


def test_a_camera_that_cannot_be_named_is_refused(fleet: Fleet):
    with pytest.raises(SourceAddressError, match="cannot name a camera"):
        fleet.apply(at("Yard"))


def test_faults_of_one_camera_are_its_own(
    fleet: Fleet, stage: Stage, healths: Healths, registry: CollectorRegistry
):
    stage.errors[url("gate")] = SourceLostError("It broke.")
    fleet.apply(at("gate"))
    fleet.apply(at("meta", "http://169.254.169.254/latest"))
    fleet.apply(at("yard"))
    stage.wait_for(url("gate"), url("gate"))
    assert "never connects there" in healths.wait_for_state("meta", "failed").message
    healths.wait_for_state("yard", "live")
    counted = registry.get_sample_value(
        "watchword_stream_reconnects_total", {"camera": "gate", "reason": "eof"}
    )
    assert counted is not None
    assert counted >= 1
    assert stage.threads_of("meta") == []
    fleet.check()


# -- real files -----------------------------------------------------------------------------------


REAL = replace(CONFIG, clip_format=SMALL)


def test_a_file_plays_once_at_its_own_speed(
    make: Callable[..., Fleet], bus: MemoryBus, healths: Healths, tmp_path: Path
):
    path = write_video(tmp_path / "a.mp4", Video(), 11)
    began = time.time()
    make(read_frames, REAL).apply(at("yard", str(path)))
    healths.wait_for_state("yard", "ended")
    assert time.time() - began >= 1.0
    clips = read_clips(bus, "yard", 1)  # on a busy machine a second one holds the end
    assert {clip.clock_source for clip in clips} == {"arrival"}
    assert clips[0].start >= began - 0.01
    shown = [read_number(pixels) for clip in clips for pixels in clip.frames]
    assert shown == sorted(shown)
    assert shown[-1] == 10


def test_a_file_that_appears_later_is_played(
    make: Callable[..., Fleet], healths: Healths, tmp_path: Path
):
    path = tmp_path / "a.mp4"
    fleet = make(read_frames, REAL)
    fleet.apply(at("yard", str(path)))
    assert "There is no file" in healths.wait_for_state("yard", "failed").message
    path.write_text("This is no video yet.")
    healths.wait_for("yard", lambda health: health is not None and "not a video" in health.message)
    write_video(tmp_path / "b.mp4", Video(), 3).replace(path)
    healths.wait_for_state("yard", "ended")
    fleet.check()


def test_a_film_keeps_its_times_whatever_was_before(
    make: Callable[..., Fleet], bus: MemoryBus, healths: Healths, tmp_path: Path
):
    path = write_video(tmp_path / "a.mp4", Video(fps=25), 60)
    film = at("yard", str(path), pace="fastest", start=START)
    fleet = make(read_frames, REAL)
    fleet.apply(film, not_before=time.time())  # where another process left off
    healths.wait_for_state("yard", "ended")
    (first, second) = read_clips(bus, "yard", 2)
    assert (first.clock_source, first.start, second.end) == ("file", START, START + 4)
    fleet.apply(msgspec.structs.replace(film, start=START - 60, revision=2))
    (again, _) = read_clips(bus, "yard", 2)
    assert again.start == START - 60
    fleet.check()


def test_a_film_that_cannot_be_read_ends_nothing(
    make: Callable[..., Fleet], healths: Healths, tmp_path: Path
):
    fleet = make(read_frames, REAL)
    path = tmp_path / "a.mp4"
    fleet.apply(at("yard", str(path), pace="fastest"))
    assert "There is no file" in healths.wait_for_state("yard", "failed").message
    write_video(tmp_path / "b.mp4", Video(), 3).replace(path)
    healths.wait_for_state("yard", "ended")
    fleet.check()


def test_a_looped_file_goes_on(
    make: Callable[..., Fleet], bus: MemoryBus, registry: CollectorRegistry, tmp_path: Path
):
    path = write_video(tmp_path / "a.mp4", Video(fps=25), 6)
    make(read_frames, REAL).apply(at("yard", str(path), loop=True))
    sessions = [clip.session for clip in read_clips(bus, "yard", 3)]
    assert sessions == sorted(set(sessions))
    assert registry.get_sample_value("watchword_stream_up", {"camera": "yard"}) == 1


def test_a_film_over_http(
    make: Callable[..., Fleet], bus: MemoryBus, healths: Healths, tmp_path: Path
):
    write_video(tmp_path / "a.mp4", Video(), 6)
    serve = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        make(read_frames, REAL).apply(at("yard", f"http://127.0.0.1:{server.server_port}/a.mp4"))
        healths.wait_for_state("yard", "ended")
        server.shutdown()
        thread.join()
    clips = read_clips(bus, "yard", 1)
    assert {clip.clock_source for clip in clips} == {"arrival"}
