"""One camera, without a decoder but for the last test."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streamer.bus import CLIPS, HEALTH, Bus, Subscription
from streamer.camera import Camera
from streamer.clip import Clip
from streamer.config import BackOffSettings, CameraSettings, ReadOptions
from streamer.errors import (
    AddressRefusedError,
    BusClosedError,
    NotAVideoError,
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
from streamer.worker import StreamerWorker
from tests.streamer.media import SMALL, START, Video, frame_at, read_number, write_video
from tests.streamer.script import FORMAT, Script, steady

QUICK = BackOffSettings(first_seconds=0.001, longest_seconds=0.002)
LIVE = CameraSettings("rtsp://u:secret@yard/live", ReadOptions("yard", FORMAT), back_off=QUICK)
FILE = CameraSettings("film.mp4", ReadOptions("yard", FORMAT))
NEVER = BackOffSettings(60.0, 60.0)
AS_LIVE = replace(FILE, pace="own", back_off=QUICK)


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
    deadline = time.monotonic() + 60
    while not done() and time.monotonic() < deadline:
        time.sleep(0.005)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert done()


class Stop(threading.Event):
    """Notes what is waited for, waits for nothing, and is set once `is_enough`."""

    def __init__(self, is_enough: Callable[[], bool]) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._is_enough = is_enough

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        if self._is_enough():
            self.set()
        return self.is_set()


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
    assert registry.get_sample_value("watchword_stream_up", {"camera": "yard"}) is None


def test_clips_say_since_when_they_are_watched_across_reconnects(make, bus):
    reader = bus.subscribe(CLIPS.name, "g")
    camera = make(LIVE, Script((steady(5), SourceLostError("gone")), (steady(5, 9.0), None)))
    camera.take_up(START - 1)
    clips: list[Clip] = []
    run_until(camera, lambda: clips.extend(clips_of(reader)) or len(clips) == 2)
    assert [clip.watched_since for clip in clips] == [START - 1, START - 1]


def test_clips_of_watch_do_not_say_since_when(make, bus):
    reader = bus.subscribe(CLIPS.name, "g")
    make(FILE, Script((steady(5, clock="file"), None))).run(threading.Event())
    assert [clip.watched_since for clip in clips_of(reader)] == [0.0]


def test_clips_leave_the_machine_as_jpeg_where_that_is_asked_for(make, bus):
    reader = bus.subscribe(CLIPS.name, "g")
    make(replace(FILE, pixels="jpeg"), Script((steady(5, clock="file"), None))).run(
        threading.Event()
    )
    (record,) = reader.poll(1.0)
    assert msgspec.msgpack.decode(record.value or b"")["travels"] == "jpeg"
    assert unpack_clip(record.value or b"").frames.shape == (4, 1, 1, 3)


def test_a_camera_that_was_cut_off_says_nothing_and_keeps_no_series(make, bus, registry):
    reader, told = bus.subscribe(CLIPS.name, "g"), healths(bus)
    camera = make(LIVE, Script((steady(45), None)))
    camera.cut_off()
    with pytest.raises(BusClosedError, match="yard was left behind"):
        camera.run(threading.Event())
    assert clips_of(reader) == []
    assert told() == []
    assert 'camera="yard"' not in generate_latest(registry).decode()
    assert registry.get_sample_value("watchword_stream_publishes_refused_total") == 1


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
    states, clips = list[CameraHealth](), list[Clip]()
    with caplog.at_level(logging.WARNING):
        run_until(
            make(LIVE, script),
            lambda: states.extend(told()) or clips.extend(clips_of(reader)) or len(clips) >= 4,
        )
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


def stopped_after(frames: list[Frame], stop: threading.Event) -> Callable[..., Iterator[Frame]]:
    """A source that gives these and, once it is not wanted any more, one more."""

    def read(*_: object) -> Iterator[Frame]:
        yield from frames[:-1]
        stop.set()
        yield frames[-1]

    return read


@pytest.mark.parametrize("settings", [LIVE, AS_LIVE])
def test_a_camera_that_is_stopped_publishes_its_last_clip(
    make, bus, registry, monkeypatch, settings: CameraSettings
):
    monkeypatch.setattr("streamer.connection.play_as_live", lambda frames, stop: frames)
    reader, stop = bus.subscribe(CLIPS.name, "g"), threading.Event()
    clock = "arrival" if settings is LIVE else "file"
    camera = make(settings, stopped_after(steady(36, clock=clock), stop))
    camera.run(stop)
    first, last = clips_of(reader)
    assert (first.index, last.index) == (0, 1)
    assert last.seen_until == pytest.approx(START + 3.5)
    assert sample(registry, "clips_total", outcome="ok") == 1
    assert sample(registry, "clips_total", outcome="short") == 1


def test_the_last_clip_makes_room_on_a_full_bus(make, bus, registry):
    stop = threading.Event()
    camera = make(LIVE, stopped_after(steady(20 * CLIPS.capacity + 6), stop))
    camera.run(stop)
    indices = [clip.index for clip in clips_of(bus.subscribe(CLIPS.name, "g"))]
    assert indices == list(range(1, CLIPS.capacity + 1))
    assert sample(registry, "clips_total", outcome="dropped") == 1


def test_half_a_clip_of_a_film_is_not_published(make, bus, registry):
    """It is read again from its beginning, and the whole clip would be taken for a repeated one."""
    reader, stop = bus.subscribe(CLIPS.name, "g"), threading.Event()
    camera = make(FILE, stopped_after(steady(36, clock="file"), stop))
    camera.run(stop)
    assert [clip.index for clip in clips_of(reader)] == [0]
    assert sample(registry, "clips_total", outcome="short") == 0


def test_a_camera_stops_while_the_bus_is_full(make, bus):
    script = Script((steady(20 * (CLIPS.capacity + 4), clock="file"), None))
    camera = make(FILE, script)
    run_until(camera, lambda: camera.outcomes["ok"] > CLIPS.capacity)


def test_a_camera_stops_while_it_backs_off(make):
    slow = replace(LIVE, back_off=BackOffSettings(60.0, 60.0))
    script = Script(([], SourceLostError("off")), ([], SourceLostError("off")))
    run_until(make(slow, script), lambda: len(script.acts) == 1)


def test_a_looped_file_plays_again_and_again(make, bus):
    reader = bus.subscribe(CLIPS.name, "g")
    script = Script(*[(steady(2, clock="file"), None)] * 3)
    began = time.time()
    run_until(make(replace(FILE, loop=True, back_off=NEVER), script), lambda: not script.acts)
    clips = clips_of(reader)
    assert len(clips) >= 2
    assert {clip.clock_source for clip in clips} == {"arrival"}
    sessions = [clip.session for clip in clips]
    assert sessions == sorted(set(sessions))
    assert int(began * 1000) <= sessions[0]  # from now on, whatever the file says


def test_the_turns_of_a_looped_file_are_not_news(make, bus):
    reader = bus.subscribe(HEALTH.name)
    seen: list[str] = []
    script = Script(*[([frame_at(START)], None)] * 3)

    def turned() -> bool:
        seen.extend(unpack_health(record.value or b"").state for record in reader.poll(0))
        return not script.acts

    run_until(make(replace(FILE, loop=True), script), turned)
    assert seen.count("live") <= 1


def test_a_looped_picture_does_not_spin(make, monkeypatch):
    script = Script(*[([frame_at(START, pts=0.0)], None)] * 2)
    stop = Stop(lambda: not script.acts)
    monkeypatch.setattr("streamer.camera.time.monotonic", lambda: 0.0)
    make(replace(FILE, loop=True), script).run(stop)
    assert stop.waits[-2:] == [0.2, 0.0]  # between the turns, then for the second picture


def test_a_file_as_live_ends_after_one_play(make, bus):
    reader, told = bus.subscribe(CLIPS.name, "g"), healths(bus)
    make(AS_LIVE, Script((steady(3, clock="file"), None))).run(threading.Event())
    (clip,) = clips_of(reader)
    assert clip.clock_source == "arrival"
    assert [health.state for health in told()] == ["ended"]


def test_a_file_as_live_makes_room_on_a_full_bus(make, bus, monkeypatch):
    monkeypatch.setattr("streamer.connection.play_as_live", lambda frames, stop: frames)
    script = Script((steady(20 * (CLIPS.capacity + 3), clock="file"), None))
    camera = make(AS_LIVE, script)
    camera.run(threading.Event())
    assert camera.dropped == 3


def test_a_file_as_live_that_cannot_be_read_is_tried_until_it_can(make, bus, registry):
    told = healths(bus)
    states: list[CameraHealth] = []
    missing = SourceMissingError("There is no file 'film.mp4'.")
    script = Script(*[([], missing)] * 4)  # a topic keeps but the last of what is said
    slow = replace(AS_LIVE, back_off=BackOffSettings(0.02, 0.02))
    camera = make(slow, script)
    run_until(camera, lambda: states.extend(told()) or len(script.acts) == 0)
    assert "failed" in {health.state for health in states}
    assert "no file" in next(health.message for health in states if health.state == "failed")
    script.acts = [(steady(3, clock="file"), None)]
    camera.run(threading.Event())
    assert told()[-1].state == "ended"
    assert sample(registry, "stream_reconnects_total", reason="unknown") == 4


def test_a_film_is_tried_again_from_its_beginning_and_keeps_its_times(make, bus, registry):
    reader, told = bus.subscribe(CLIPS.name, "g"), healths(bus)
    settings = replace(FILE, tries_again=True, back_off=QUICK, not_before=START + 9999.0)
    broken = NotAVideoError("no video any more")
    film = steady(45, clock="file")
    script = Script(([], SourceMissingError("no film")), (film[:25], broken), (film, None))
    camera = make(settings, script)
    camera.run(threading.Event())
    clips = clips_of(reader)
    assert [clip.index for clip in clips] == [0, 1, 0, 1, 2]
    assert {(clip.session, clip.clock_source) for clip in clips} == {(round(START * 1000), "file")}
    assert told()[-1].state == "ended"
    assert sample(registry, "stream_reconnects_total", reason="decode") == 1


def test_a_film_that_breaks_off_late_is_not_hammered(make, monkeypatch):
    script = Script(*[(steady(3, clock="file"), NotAVideoError("damaged"))] * 3)
    stop = Stop(lambda: not script.acts)
    later = itertools.count(0, 1000)
    monkeypatch.setattr("streamer.camera.time.monotonic", lambda: float(next(later)))
    settings = replace(FILE, tries_again=True, back_off=BackOffSettings(1.0, 8.0))
    make(settings, script).run(stop)
    assert stop.waits == sorted(stop.waits)
    assert stop.waits[-1] > stop.waits[0]


def test_a_refused_address_is_said_and_tried_again(make, bus, registry):
    told = healths(bus)
    script = Script(([], AddressRefusedError("'meta' is a metadata address.")))
    states: list[CameraHealth] = []
    camera = make(replace(LIVE, back_off=NEVER), script)
    run_until(camera, lambda: "failed" in {h.state for h in states} or states.extend(told()))
    (failed,) = [health for health in states if health.state == "failed"]
    assert failed.message == "'meta' is a metadata address."


def test_a_camera_that_died_for_good_is_asked_ever_less_often(make, registry, monkeypatch):
    """Its last picture, long ago, must not make each failure look like the first."""
    now = [0.0]

    def pass_an_hour() -> bool:
        now[0] += 3600.0
        return not script.acts

    script = Script((steady(3), SourceLostError("lost")), *[([], SourceLostError("off"))] * 3)
    stop = Stop(pass_an_hour)
    monkeypatch.setattr("streamer.camera.time.monotonic", lambda: now[0])
    make(replace(LIVE, back_off=BackOffSettings(1.0, 60.0)), script).run(stop)
    assert [0.5 * 2**i <= wait <= 2**i for i, wait in enumerate(stop.waits)] == [True] * 4


def test_a_camera_that_runs_again_goes_on(make, bus, registry):
    """As after an edit: sessions stay in order, though the clock was put back meanwhile."""
    reader = bus.subscribe(CLIPS.name, "g")
    settings = replace(LIVE, back_off=NEVER)
    camera = make(settings, Script((steady(25, start=10.0), None)))
    run_until(camera, lambda: camera.outcomes["short"] == 1)
    camera.change(replace(settings, source="rtsp://yard/other"), Script((steady(25), None)))
    run_until(camera, lambda: camera.outcomes["short"] == 2)
    sessions = [clip.session for clip in clips_of(reader)]
    assert len(set(sessions)) == 2
    assert sessions == sorted(sessions)
    assert sample(registry, "clips_total", outcome="ok") == 2
    assert sample(registry, "clips_total", outcome="short") == 2


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
