"""Cameras without a decoder: `Script` plays what a source does, connection by connection."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streamer.bus import CLIPS, HEALTH, Bus, Subscription
from streamer.camera import Camera
from streamer.clip import Clip, ClipFormat
from streamer.config import BackOffSettings, CameraSettings, ReadOptions
from streamer.errors import (
    SourceAccessError,
    SourceAddressError,
    SourceLostError,
    SourceMissingError,
)
from streamer.frame import Frame
from streamer.health import CameraHealth, unpack_health
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.record import unpack_clip
from streamer.source_facts import ReadTally
from streamer.worker import StreamerWorker
from tests.streamer.media import SMALL, START, Video, frame_at, read_number, write_video

FORMAT = ClipFormat(frames=4, width=1, height=1)
QUICK = BackOffSettings(first_seconds=0.001, longest_seconds=0.002)
LIVE = CameraSettings("rtsp://u:secret@yard/live", ReadOptions("yard", FORMAT), back_off=QUICK)
FILE = CameraSettings("film.mp4", ReadOptions("yard", FORMAT))


class Script:
    """A source: each connection gives the frames of the next act, then its error."""

    def __init__(self, *acts: tuple[list[Frame], Exception | None]) -> None:
        self.acts = list(acts)
        self.options: list[ReadOptions] = []

    def __call__(
        self, source: str, options: ReadOptions, tally: ReadTally | None = None
    ) -> Iterator[Frame]:
        self.options.append(options)
        frames, error = self.acts.pop(0) if self.acts else ([], SourceLostError("gone"))
        yield from frames
        if error:
            raise error


def steady(count: int, start: float = 0.0, clock: str = "arrival") -> list[Frame]:
    return [
        frame_at(START + start + i / 10, i, clock_source=clock, pts=start + i / 10)
        for i in range(count)
    ]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def bus() -> Iterator[MemoryBus]:
    bus = MemoryBus()
    yield bus
    bus.close()


@pytest.fixture
def make(bus: MemoryBus, registry: CollectorRegistry) -> Callable[..., Camera]:
    metrics = StreamerMetrics(registry)
    return lambda settings, script=None: Camera(settings, bus, metrics, script)


def clips_of(reader: Subscription, wait: float = 0.0) -> list[Clip]:
    clips = [unpack_clip(record.value or b"") for record in reader.poll(wait, 1000)]
    reader.commit()
    return clips


def healths(bus: Bus) -> Callable[[], list[CameraHealth]]:
    reader = bus.subscribe(HEALTH.name)
    return lambda: [unpack_health(record.value or b"") for record in reader.poll(0, 1000)]


def run_until(camera: Camera, done: Callable[[], bool]) -> None:
    """Runs a camera that never ends by itself until `done`."""
    stop = threading.Event()
    thread = threading.Thread(target=camera.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + 10
    while not done() and time.monotonic() < deadline:
        time.sleep(0.005)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert done()


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"watchword_{name}", {"camera": "yard", **labels}) or 0.0


def test_a_file_is_published_whole_and_ends(make, bus, registry):
    reader = bus.subscribe(CLIPS.name, "g")
    make(FILE, Script((steady(45, clock="file"), None))).run(threading.Event())
    clips = clips_of(reader)
    assert [clip.index for clip in clips] == [0, 1, 2]
    assert clips[0].camera_id == "yard"
    assert sample(registry, "clips_total", outcome="ok") == 2
    assert sample(registry, "clips_total", outcome="short") == 1
    assert sample(registry, "stream_up") == 0


def test_a_slow_reader_loses_no_clip_of_a_file(make, bus):
    count = 3 * CLIPS.capacity
    camera = make(FILE, Script((steady(20 * count, clock="file"), None)))
    thread = threading.Thread(target=camera.run, args=(threading.Event(),))
    thread.start()
    reader, read = bus.subscribe(CLIPS.name, "g"), []
    while len(read) < count:
        read += [unpack_clip(r.value or b"").index for r in reader.poll(5.0, max_records=2)]
        time.sleep(0.002)
        reader.commit()
    thread.join(5)
    assert read == list(range(count))
    assert camera.dropped == 0


def test_a_live_camera_drops_its_oldest_clips_and_counts_them(make, bus, registry):
    count = CLIPS.capacity + 5
    camera = make(LIVE, Script((steady(20 * count + 1), None)))
    run_until(camera, lambda: camera.dropped == 6)
    indices = [clip.index for clip in clips_of(bus.subscribe(CLIPS.name, "g"))]
    assert indices == list(range(6, count + 1))
    assert sample(registry, "clips_total", outcome="dropped") == camera.dropped == 6


def test_a_live_camera_is_tried_again_and_begins_a_session(make, bus, registry, caplog):
    reader = bus.subscribe(CLIPS.name, "g")
    told = healths(bus)
    script = Script(
        (steady(25), SourceLostError("lost rtsp://***@yard/live")),
        ([], SourceAccessError("refused the credentials")),
        (steady(25, start=30.0), None),
    )
    states: list[CameraHealth] = []
    with caplog.at_level(logging.WARNING):
        run_until(make(LIVE, script), lambda: states.extend(told()) or not script.acts)
    clips = clips_of(reader)
    assert [(clip.session, clip.index) for clip in clips[:4]] == [
        (int(START * 1000), 0),
        (int(START * 1000), 1),
        (int(START * 1000) + 30000, 0),
        (int(START * 1000) + 30000, 1),
    ]
    assert sample(registry, "stream_reconnects_total", reason="auth") == 1
    assert sample(registry, "stream_reconnects_total", reason="eof") >= 1
    assert "secret" not in caplog.text
    assert all("secret" not in state.message for state in states)


def test_a_clock_jump_and_a_stall_are_counted(make, bus, registry):
    jump = [
        frame_at(START + 3 + i / 10, pts=900 + i / 10, clock_source="arrival") for i in range(9)
    ]
    script = Script(([*steady(20), *jump, *steady(20, start=20.0)], None))
    run_until(
        make(LIVE, script), lambda: sample(registry, "stream_reconnects_total", reason="stall") == 1
    )
    assert sample(registry, "stream_reconnects_total", reason="clock_jump") >= 1


def test_states_follow_one_another(make, bus):
    told = healths(bus)
    camera = make(FILE, Script((steady(5, clock="file"), None)))
    camera.run(threading.Event())
    assert [health.state for health in told()] == ["ended"]  # compacted: the latest one


def test_a_file_that_cannot_be_read_raises(make, bus):
    told = healths(bus)
    with pytest.raises(SourceMissingError, match="no film"):
        make(FILE, Script(([], SourceMissingError("no film")))).run(threading.Event())
    (health,) = told()
    assert (health.state, health.message) == ("failed", "no film")


def test_a_file_over_http_that_breaks_keeps_its_clips_and_raises(make, bus):
    reader = bus.subscribe(CLIPS.name, "g")
    settings = replace(LIVE, source="http://host/film.mp4")
    script = Script((steady(25, clock="file"), SourceLostError("lost")))
    with pytest.raises(SourceLostError):
        make(settings, script).run(threading.Event())
    assert [clip.index for clip in clips_of(reader)] == [0, 1]


def test_a_camera_stops_while_the_bus_is_full(make, bus):
    script = Script((steady(20 * (CLIPS.capacity + 4), clock="file"), None))
    camera = make(FILE, script)
    run_until(camera, lambda: camera.outcomes["ok"] > CLIPS.capacity)


def test_a_camera_stops_while_it_backs_off(make):
    slow = replace(LIVE, back_off=BackOffSettings(60.0, 60.0))
    script = Script(([], SourceLostError("off")), ([], SourceLostError("off")))
    run_until(make(slow, script), lambda: len(script.acts) == 1)


def test_a_looped_file_plays_again_at_its_own_speed(make, bus):
    reader = bus.subscribe(CLIPS.name, "g")
    starts: list[float] = []
    late: list[float] = []  # seconds from a frame's time to its being asked past

    def film(source: str, options: ReadOptions, tally: ReadTally | None = None) -> Iterator[Frame]:
        assert options.start is not None
        starts.append(options.start)
        for i in range(5):
            at = options.start + i / 100
            yield frame_at(at, i, clock_source="file", pts=i / 100)
            late.append(time.time() - at)

    run_until(make(replace(FILE, loop=True), film), lambda: len(starts) > 3)
    assert starts == sorted(starts)
    assert min(late) > -0.005  # a frame is never shown before its time
    sessions = [clip.session for clip in clips_of(reader)]
    assert len(sessions) >= 3
    assert sessions == sorted(set(sessions))


def test_a_looped_file_without_pictures_is_not_hammered(make, bus, registry):
    empty = Script(*[([], None)] * 5)
    settings = replace(FILE, loop=True, back_off=BackOffSettings(60.0, 60.0))
    camera = make(settings, empty)
    run_until(camera, lambda: sample(registry, "stream_reconnects_total", reason="eof") == 1)
    assert len(empty.acts) == 4


def test_progress_can_be_seen(make):
    camera = make(FILE, Script((steady(25, clock="file"), None)))
    camera.run(threading.Event())
    assert camera.newest_pts == pytest.approx(2.4)


@pytest.mark.parametrize("camera_id", ["", "Yard", "-yard", "a" * 64, "höf", "a/b"])
def test_camera_ids_are_slugs(camera_id: str):
    with pytest.raises(SourceAddressError, match="cannot name a camera"):
        CameraSettings("x.mp4", ReadOptions(camera_id, FORMAT))


# -- the part -----------------------------------------------------------------------------------


def test_the_part_runs_all_cameras_and_finishes_the_topic(make, bus):
    reader = bus.subscribe(CLIPS.name, "g")
    other = replace(FILE, options=replace(FILE.options, camera_id="gate"))
    cameras = [
        make(FILE, Script((steady(5, clock="file"), None))),
        make(other, Script(([], SourceMissingError("no film")))),
    ]
    worker = StreamerWorker(cameras, bus)
    worker.run(threading.Event())
    assert len(clips_of(reader)) == 1
    assert reader.finished
    assert list(worker.faults) == ["gate"]


def test_an_unexpected_fault_stops_the_part_and_is_raised(make, bus):
    other = replace(LIVE, options=replace(LIVE.options, camera_id="gate"))
    worker = StreamerWorker(
        [make(FILE, Script(([], ZeroDivisionError("a bug")))), make(other, Script())], bus
    )
    stop = threading.Event()
    with pytest.raises(ZeroDivisionError):
        worker.run(stop)
    assert stop.is_set()


def test_a_closed_bus_stops_the_part(make, bus):
    worker = StreamerWorker([make(LIVE, Script())], bus)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    bus.close()
    thread.join(5)
    assert stop.is_set()
    assert not thread.is_alive()


def test_a_real_file_goes_all_the_way(make, bus, tmp_path: Path):
    reader = bus.subscribe(CLIPS.name, "g")
    path = write_video(tmp_path / "a.mp4", Video(), 45)
    make(CameraSettings(str(path), ReadOptions("yard", SMALL))).run(threading.Event())
    numbers = [[read_number(pixels) for pixels in clip.frames] for clip in clips_of(reader)]
    assert [len(each) for each in numbers] == [4, 4, 4]
    assert numbers[0][0] in (2, 3)
    assert numbers[2][-1] == 44
