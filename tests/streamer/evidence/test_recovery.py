"""What a killed process left of segments is kept without waiting for its camera."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streamer.address_policy import AddressPolicy
from streamer.bus import CAMERAS, Message
from streamer.camera_record import CameraRecord, pack_camera
from streamer.config import StreamerPartConfig
from streamer.errors import SourceRefusedError
from streamer.evidence.config import EvidenceConfig
from streamer.evidence.names import OpenSegment, mark_of, read_open_segment
from streamer.evidence.open_segment import OpenFile, clear_forgotten, may_come
from streamer.evidence.recorder import EvidenceRecorder
from streamer.evidence.recovery import EvidenceRecovery
from streamer.evidence.shelf import Shelf, open_shelf
from streamer.frame import Frame
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.part import StreamerPart
from tests.streamer.evidence.recording import (
    config_of,
    feed,
    make_video,
    numbers_in,
    recorder_of,
    segments_in,
)
from tests.streamer.media import SMALL, START, Video

LEFT = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)
RIGHT = (((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)),)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "video.mp4", Video(), 20)


@pytest.fixture
def config(tmp_path: Path) -> EvidenceConfig:
    return replace(config_of(tmp_path), segment_seconds=100.0)


@pytest.fixture
def shelf(config: EvidenceConfig) -> Shelf:
    return open_shelf(config.url)


def leave(config: EvidenceConfig, video: Path, camera_id: str, masks: tuple = ()) -> Path:
    """A segment of two seconds as a process that is killed leaves it."""
    root = Path(config.url)
    with recorder_of(config, camera_id) as recorder:
        feed(video, recorder)
    (whole,) = [one for one in segments_in(open_shelf(config.url)) if one.camera_id == camera_id]
    left = config.open_folder / camera_id
    path = left / OpenSegment(whole.start_ms, whole.session, mark_of(masks)).name
    (root / whole.name).rename(path)
    return path


def test_all_cameras_are_looked_after(config, shelf, video) -> None:
    paths = [leave(config, video, camera) for camera in ("gate", "yard")]
    # A camera that is not known here may be read elsewhere now
    recovery = EvidenceRecovery(config)
    recovery.note("yard", ())
    assert recovery.look() == 2
    assert not any(path.exists() for path in paths)
    found = segments_in(shelf)
    assert [one.camera_id for one in found] == ["gate", "yard"]
    for one in found:
        assert numbers_in(Path(config.url) / one.name) == list(range(20))
        assert (one.start, one.end) == pytest.approx((START, START + 2.0), abs=0.01)
    assert recovery.look() == 0


def test_it_is_done_without_any_camera(config, shelf, video) -> None:
    path = leave(config, video, "yard")
    recovery = EvidenceRecovery(config)
    recovery.begin()
    recovery.begin()
    deadline = time.monotonic() + 60
    while path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    recovery.end()
    assert not [one for one in threading.enumerate() if one.name == "evidence recovery"]
    assert len(segments_in(shelf)) == 1


@pytest.mark.parametrize(("masks", "kept"), [((), 1), (LEFT, 0)])
def test_the_streamer_does_it_for_cameras_that_do_not_answer(
    masks, kept, config, shelf, video
) -> None:
    path = leave(config, video, "yard")
    bus = MemoryBus()
    streamer = StreamerPartConfig(
        clip_format=SMALL,
        address_policy=AddressPolicy(loopback=True, private=False),
        evidence=config,
    )

    def offline(*_: object) -> Iterator[Frame]:
        raise SourceRefusedError("Nobody listens.")

    part = StreamerPart(streamer, bus, StreamerMetrics(CollectorRegistry()), offline)
    record = CameraRecord(
        camera_id="yard", source="rtsp://127.0.0.1/yard", revision=1, masks=masks, paused=True
    )
    bus.publish(Message(CAMERAS.name, "yard", pack_camera(record)))
    stop = threading.Event()
    thread = threading.Thread(target=part.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + 60
    while path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stop.set()
    thread.join()
    bus.close()
    assert len(segments_in(shelf)) == kept


def test_what_a_live_recorder_writes_is_not_touched(config, shelf, video) -> None:
    with recorder_of(config) as recorder:
        feed(video, recorder, end=False)
        deadline = time.monotonic() + 60
        while not may_come(config, "yard", START, START + 1):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for _ in range(3):
            assert EvidenceRecovery(config).look() == 0
        assert segments_in(shelf) == []
    (one,) = segments_in(shelf)
    assert numbers_in(Path(config.url) / one.name) == list(range(20))
    assert recorder.tally.faults == 0


def test_a_segment_stays_its_writers_until_it_is_stored(config, shelf, video) -> None:
    looked: list[int] = []

    class Meddled(type(shelf)):  # type: ignore[misc]
        def put(self, path: Path, name: str) -> None:
            looked.append(EvidenceRecovery(config).look())
            super().put(path, name)

    recorder = EvidenceRecorder("yard", config, Meddled(Path(config.url)))
    feed(video, recorder)
    recorder.close()
    assert looked == [0]
    assert (recorder.tally.faults, len(segments_in(shelf))) == (0, 1)


@pytest.mark.parametrize(
    ("left_with", "now", "is_kept"),
    [((), LEFT, False), (LEFT, LEFT, True), (LEFT, RIGHT, False), (LEFT, (), True)],
)
def test_of_a_camera_with_masks_only_what_has_them_is_kept(
    left_with, now, is_kept, config, shelf, video, caplog
) -> None:
    path = leave(config, video, "yard", left_with)
    recovery = EvidenceRecovery(config)
    recovery.note("yard", now)
    assert recovery.look() == is_kept
    assert not path.exists()
    assert len(segments_in(shelf)) == is_kept
    assert ("without the masks" in caplog.text) is not is_kept


def test_a_recorder_does_not_keep_what_was_not_masked_either(config, shelf, video) -> None:
    path = leave(config, video, "yard")
    recorder = EvidenceRecorder("yard", config, shelf, LEFT)
    feed(video, recorder, START + 100)
    recorder.close()
    assert not path.exists()
    assert all(one.start > START + 50 for one in segments_in(shelf))
    assert (recorder.tally.faults, recorder.tally.refused) == (0, 20)


def test_a_storage_that_refuses_does_not_cost_it(config, shelf, video) -> None:
    path = leave(config, video, "yard")
    (Path(config.url) / "yard").rename(Path(config.url) / "aside")
    (Path(config.url) / "yard").write_text("no folder")
    recovery = EvidenceRecovery(replace(config, sweep_seconds=0.01))
    recovery.begin()
    time.sleep(0.1)
    assert path.exists()
    (Path(config.url) / "yard").unlink()
    deadline = time.monotonic() + 60
    while not segments_in(shelf):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    recovery.end()


def test_a_file_has_its_name_only_when_it_is_locked(tmp_path: Path, monkeypatch) -> None:
    seen: list[list[str]] = []

    def lock(file: object, how: int) -> None:
        seen.append([one.name for one in tmp_path.iterdir() if read_open_segment(one.name)])

    monkeypatch.setattr(fcntl, "flock", lock)
    file = OpenFile(tmp_path, OpenSegment(1000, 1000))
    assert seen == [[]]
    assert [one.name for one in tmp_path.iterdir()] == ["1000-1000.mkv"]
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_files_that_were_never_locked_go_in_the_end(tmp_path: Path) -> None:
    for name, age in (("1-1.mkv.new", 7200), ("2-2.mkv.new", 10)):
        path = tmp_path / name
        path.write_bytes(b"")
        os.utime(path, (time.time() - age, time.time() - age))
    clear_forgotten(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["2-2.mkv.new"]
