"""A recorder that hangs or fails is told at once, and no second one hangs beside it."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av.error
import numpy as np
import pytest

import streamer.evidence.recording
from streamer.camera_record import CameraRecord
from streamer.errors import SegmentError
from streamer.evidence.local_shelf import LocalShelf
from streamer.evidence.media import pictures, recoder
from streamer.evidence.pictures import encode_animation, encode_jpeg
from streamer.evidence.played_tap import PlayedTap
from streamer.evidence.recorder import EvidenceRecorder
from streamer.evidence.recording import recording
from streamer.evidence.segment_keeper import SegmentKeeper
from streamer.evidence.tally import EvidenceTally
from tests.streamer.evidence.recording import (
    config_of,
    feed,
    make_video,
    segments_in,
)
from tests.streamer.media import START, Video

RECORD = CameraRecord(camera_id="yard", source="rtsp://127.0.0.1/yard")
LEFT = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)


class Stuck(LocalShelf):
    """A storage that answers once it is released."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.released = threading.Event()

    def put_bytes(self, data: bytes, name: str) -> None:
        self.released.wait()
        super().put_bytes(data, name)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "video.mp4", Video(), 40)


@pytest.fixture
def stuck(tmp_path: Path, monkeypatch) -> Iterator[Stuck]:
    shelf = Stuck(tmp_path)
    monkeypatch.setattr("streamer.evidence.recorder.open_shelf", lambda _url: shelf)
    monkeypatch.setattr(streamer.evidence.recording, "_CLOSE_SECONDS", 0.05)
    yield shelf
    shelf.released.set()
    wait_until(lambda: not threads())


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def threads() -> int:
    return sum(one.name == "evidence yard" for one in threading.enumerate())


def play(tap: PlayedTap, video: Path, start: float) -> None:
    tap.shown(start, is_file=False)
    feed(video, tap, start)


def test_one_recorder_of_a_camera_hangs_at_most(stuck: Stuck, video: Path, tmp_path: Path) -> None:
    config, tally = config_of(tmp_path), EvidenceTally()
    with recording(RECORD, config, tally) as tap:
        play(tap, video, START)
    assert tally.faults == 1  # it did not end
    assert "storage hangs" in tally.problem
    for number in range(1, 4):
        with recording(RECORD, config, tally) as tap:
            play(tap, video, START + 10 * number)
        assert threads() == 1
        assert tally.faults == 1 + number
    assert tally.waited == 3 * 40
    with recording(RECORD, config, tally) as tap:  # a connection that lasts
        play(tap, video, START + 100)
        stuck.released.set()
        wait_until(lambda: not threads())
        play(tap, video, START + 200)
    assert tally.faults == 5
    assert {round(one.session / 1000 - START) for one in segments_in(stuck)} == {0, 200}
    with recording(RECORD, config, tally) as tap:
        play(tap, video, START + 300)
    assert tally.faults == 5


def test_a_fault_that_nobody_foresaw_is_told_at_once(tmp_path, video, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(SegmentKeeper, "packet", fail)
    recorder = EvidenceRecorder("yard", config_of(tmp_path), LocalShelf(tmp_path))
    feed(video, recorder)
    wait_until(lambda: recorder.tally.faults)
    assert "nobody foresaw: LookupError('a bug')" in recorder.tally.problem
    wait_until(lambda: not threads())
    waited = recorder.tally.waited
    feed(video, recorder, START + 10)  # nobody takes it, so nothing of it is kept waiting
    assert recorder.tally.waited == waited + 40
    with pytest.raises(LookupError):
        recorder.close()


def test_a_picture_that_cannot_be_resized_costs_a_snapshot(tmp_path, video, monkeypatch) -> None:
    def fail(*_: object) -> np.ndarray:
        raise av.error.InvalidDataError(1, "no such conversion")

    monkeypatch.setattr(pictures, "shrink", fail)
    recorder = EvidenceRecorder("yard", config_of(tmp_path), LocalShelf(tmp_path))
    feed(video, recorder)
    recorder.close()
    assert recorder.tally.faults == 0
    assert len(segments_in(LocalShelf(tmp_path))) == 2


def test_a_coder_that_does_not_finish_is_a_fault_of_the_stream(
    tmp_path, video, monkeypatch
) -> None:
    class Broken:
        def __init__(self, coder: object) -> None:
            self._coder = coder

        def __getattr__(self, name: str) -> object:
            return getattr(self._coder, name)

        def encode(self, picture: object) -> object:
            if picture is None:
                raise av.error.ExternalError(1, "no end")
            return self._coder.encode(picture)  # type: ignore[attr-defined]

    make = recoder._make_encoder
    monkeypatch.setattr(recoder, "_make_encoder", lambda picture: Broken(make(picture)))
    recorder = EvidenceRecorder("yard", config_of(tmp_path), LocalShelf(tmp_path), LEFT)
    feed(video, recorder)
    recorder.close()
    assert recorder.tally.faults >= 1
    assert "not coded anew" in recorder.tally.problem


def test_a_picture_that_is_no_jpeg_is_said_so() -> None:
    wide = np.zeros((1, 70_000, 3), np.uint8)
    with pytest.raises(SegmentError, match="cannot be a JPEG"):
        encode_jpeg(wide)
    with pytest.raises(SegmentError, match="cannot be a WebP"):
        encode_animation([wide], 0.3)
