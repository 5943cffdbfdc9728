"""Whatever the storage does, the camera goes on, what is lost is counted, and it resumes."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from streamer.errors import EvidenceStorageError
from streamer.evidence.local_shelf import LocalShelf
from streamer.evidence.names import read_segment
from streamer.evidence.packet import Packet
from streamer.evidence.packet_queue import Mark, PacketQueue
from streamer.evidence.recorder import EvidenceRecorder
from streamer.evidence.shelf import open_shelf
from streamer.packet_tap import StreamFacts
from tests.conftest import ROOT
from tests.streamer.evidence.recording import (
    config_of,
    feed,
    make_video,
    numbers_in,
    recorder_of,
    segments_in,
)
from tests.streamer.media import START, Video

PROGRAM = """
import resource, sys, time
from pathlib import Path
from dataclasses import replace
from fractions import Fraction
from tests.streamer.evidence.recording import config_of, feed
from streamer.evidence.packet import Packet
from streamer.evidence.packet_queue import Mark, PacketQueue
from streamer.evidence.recorder import EvidenceRecorder
from streamer.evidence.shelf import open_shelf

folder, video = Path(sys.argv[1]), Path(sys.argv[2])
start, limit = float(sys.argv[3]), int(sys.argv[4])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
config = replace(config_of(folder), retry_seconds=0.0)
recorder = EvidenceRecorder("yard", config, open_shelf(config.url))
feed(video, recorder, start, end=bool(limit))
if limit:
    recorder.close()
    print(recorder.tally)
else:
    deadline = time.monotonic() + 60
    while recorder.tally.segments < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    print("fed", flush=True)
    sys.stdin.read()  # until it is killed, or whoever started it is gone
"""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("video")
    return make_video(folder / "video.mp4", Video(), 75, {"preset": "medium", "bf": "2"})


class Moody(LocalShelf):
    """A disk that has no room now and then."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.is_full = False
        self.free: int | None = None

    def put(self, path: Path, name: str) -> None:
        if self.is_full:
            error = OSError(errno.ENOSPC, "No space left on device")
            raise EvidenceStorageError(f"The evidence folder is full: {error}.") from error
        super().put(path, name)

    def free_bytes(self) -> int | None:
        return self.free


def start_program(folder: Path, video: Path, start: float, limit: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(folder), str(video), str(start), str(limit)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)


def test_kill_9_costs_the_open_segment_at_most(video: Path, tmp_path: Path) -> None:
    process = start_program(tmp_path, video, START, 0)
    assert process.stdout is not None
    assert process.stdout.readline() == "fed\n"
    complete = segments_in(open_shelf(str(tmp_path)))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    numbers = [number for one in complete for number in numbers_in(tmp_path / one.name)]
    assert numbers == list(range(len(numbers)))
    assert 40 <= len(numbers) < 75
    left = list((tmp_path / "_open" / "yard").iterdir())
    assert len(left) == 1
    # The next recorder keeps what it finds of it, and nothing lies about
    with recorder_of(config_of(tmp_path)) as recorder:
        feed(video, recorder, START + 100)
    assert not list((tmp_path / "_open" / "yard").iterdir())
    kept = [one for one in segments_in(open_shelf(str(tmp_path))) if one.start < START + 50]
    assert set(complete) <= set(kept)
    for one in kept:
        numbers_in(tmp_path / one.name)


def test_half_a_segment_is_recovered_as_far_as_it_was_written(video: Path, tmp_path: Path) -> None:
    config = replace(config_of(tmp_path), segment_seconds=100.0)
    with recorder_of(config) as recorder:
        feed(video, recorder)
    (whole,) = segments_in(open_shelf(config.url))
    data = (tmp_path / whole.name).read_bytes()
    (tmp_path / whole.name).unlink()
    left = tmp_path / "_open" / "yard" / f"{whole.session}-{whole.start_ms}.mkv"
    for part, most in ((len(data) * 2 // 3, 70), (300, 0), (0, 0)):
        left.write_bytes(data[:part])
        with recorder_of(config) as recorder:
            feed(video, recorder, START + 1000)
        assert not left.exists()
        early = [one for one in segments_in(open_shelf(config.url)) if one.start < START + 500]
        numbers = [number for one in early for number in numbers_in(tmp_path / one.name)]
        # Of the last pictures some are decoded after others that are shown later
        assert numbers[:-3] == list(range(len(numbers[:-3])))
        assert (20 < len(numbers) < most) if most else (not numbers)
        for one in early:
            assert one.end == pytest.approx(one.start + len(numbers) / 10, abs=0.61)
            (tmp_path / one.name).unlink()


def test_a_segment_that_another_process_writes_is_left_alone(video: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path)
    with recorder_of(config) as first:
        feed(video, first, end=False)
        wait_for_segments(first, 3)  # of the four, the last one is open
        (written,) = (tmp_path / "_open" / "yard").iterdir()
        with recorder_of(config) as second:
            feed(video, second, START + 100)
        assert written.exists()
    numbers = [
        number
        for one in segments_in(open_shelf(config.url))
        if one.start < START + 50
        for number in numbers_in(tmp_path / one.name)
    ]
    assert numbers == list(range(75))


def wait_for_segments(recorder: EvidenceRecorder, count: int) -> None:
    deadline = time.monotonic() + 60
    while recorder.tally.segments < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_full_disk_is_counted_and_the_camera_goes_on(video: Path, tmp_path: Path) -> None:
    # Files of at most 1.2 kB: writing fails in the midst of a segment, as on a full disk
    process = start_program(tmp_path, video, START, 1200)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert "faults=0" not in said
    assert "File too large" in said
    assert "refused=0" not in said
    assert not [name for name in tmp_path.rglob("*.mkv") if name.stat().st_size > 1200]
    assert not list((tmp_path / "_open" / "yard").iterdir())


def test_it_resumes_when_there_is_room_again(video: Path, tmp_path: Path) -> None:
    shelf = Moody(tmp_path)
    shelf.is_full = True
    recorder = EvidenceRecorder("yard", replace(config_of(tmp_path), retry_seconds=0.0), shelf)
    feed(video, recorder)
    recorder.close()
    assert recorder.tally.segments == 0
    assert "No space left" in recorder.tally.problem
    assert recorder.tally.packets_dropped > 0
    shelf.is_full = False
    feed(video, recorder, START + 100)
    recorder.close()
    assert recorder.tally.segments >= 3
    assert all(one.start >= START + 100 for one in segments_in(shelf))


def test_it_rests_while_the_disk_has_no_room_to_spare(video: Path, tmp_path: Path) -> None:
    shelf = Moody(tmp_path)
    shelf.free = 400
    config = replace(config_of(tmp_path), keep_free_bytes=1000, retry_seconds=0.0)
    recorder = EvidenceRecorder("yard", config, shelf)
    feed(video, recorder)
    recorder.close()
    assert (recorder.tally.segments, segments_in(shelf)) == (0, [])
    assert "keep_free_gigabytes" in recorder.tally.problem
    shelf.free = 600
    feed(video, recorder, START + 100)
    recorder.close()
    assert recorder.tally.segments >= 3


@pytest.mark.parametrize("kind", ["a file in the way", "a read-only folder"])
def test_a_folder_that_takes_nothing(kind: str, video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    if kind == "a file in the way":
        folder.write_text("no folder")
    else:
        if os.geteuid() == 0:
            folder = Path("/proc/watchword-evidence")  # root may write anywhere else
        else:
            folder.mkdir(mode=0o500)
    with recorder_of(config_of(folder)) as recorder:
        assert feed(video, recorder) > START
    assert recorder.tally.segments == 0
    assert recorder.tally.faults > 0
    assert str(folder) in recorder.tally.problem
    assert recorder.tally.packets_dropped == 75


def test_a_slow_storage_never_slows_the_camera(video: Path, tmp_path: Path) -> None:
    class Stuck(LocalShelf):
        def put_bytes(self, data: bytes, name: str) -> None:
            released.wait()
            super().put_bytes(data, name)

    released = threading.Event()
    config = replace(config_of(tmp_path), queue_bytes=1000)
    recorder = EvidenceRecorder("yard", config, Stuck(tmp_path))
    feed(video, recorder)  # returns, though nothing is taken
    assert 0 < recorder.tally.waited < 75
    released.set()
    recorder.close()
    numbers = [
        n for one in segments_in(open_shelf(config.url)) for n in numbers_in(tmp_path / one.name)
    ]
    assert len(numbers) + recorder.tally.packets_dropped == 75


def test_after_what_was_dropped_the_next_key_frame_begins_anew() -> None:
    queue = PacketQueue(10)
    assert queue.put(Packet(b"12345678", 0, 0, True, START))
    assert not queue.put(Packet(b"1234", 1, 1, False, START))
    assert not queue.put(Packet(b"1", 2, 2, False, START))  # there is room, but it needs the other
    assert queue.put(Packet(b"2", 3, 3, True, START))
    taken = [queue.take() for _ in range(3)]
    assert [getattr(one, "pts", one) for one in taken] == [0, Mark.GAP, 3]


def test_a_stream_that_cannot_be_kept_says_so_once(tmp_path: Path, video: Path) -> None:
    with recorder_of(config_of(tmp_path)) as recorder:
        recorder.begin(StreamFacts("no-such-codec", None, Fraction(1, 1000), 64, 48))
        for number in range(20):
            recorder.packet(b"data", number * 40, None, True, START + number / 25)
        recorder.end()
        feed(video, recorder, START + 10)
    assert recorder.tally.faults == 1
    assert "no-such-codec" in recorder.tally.problem
    assert recorder.tally.segments >= 3


def test_garbage_packets_never_end_the_recorder(tmp_path: Path, video: Path) -> None:
    with recorder_of(replace(config_of(tmp_path), retry_seconds=0.0)) as recorder:
        recorder.begin(StreamFacts("h264", b"\x01garbage", Fraction(1, 1000), 64, 48))
        for number in range(60):
            recorder.packet(os.urandom(number), number * 40, None, number % 7 == 0, START + number)
        recorder.begin(StreamFacts("hevc", os.urandom(40), Fraction(1, 1000), 0, 0))
        for number in range(60):
            recorder.packet(os.urandom(300), None, None, number % 7 == 0, START - number)
        recorder.end()
        feed(video, recorder, START + 1000)
    good = [one for one in segments_in(open_shelf(str(tmp_path))) if one.start > START + 900]
    assert [n for one in good for n in numbers_in(tmp_path / one.name)] == list(range(75))


def test_every_name_is_read_as_it_was_written(tmp_path: Path, video: Path) -> None:
    with recorder_of(config_of(tmp_path)) as recorder:
        feed(video, recorder)
    for one in segments_in(open_shelf(str(tmp_path))):
        assert read_segment(one.name) == one
