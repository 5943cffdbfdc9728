"""The clips of alerts: cut on demand, kept when the alert has closed."""

import dataclasses
import errno
import itertools
import random
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from grounding.alert import Alert
from grounding.alert_evidence import AlertEvidence, Piece
from streamer.errors import EvidenceMissingError, EvidencePendingError, EvidenceStorageError
from streamer.evidence.config import ClipOptions, EvidenceConfig
from streamer.evidence.kept_clips import ABOUT, KEPT
from streamer.evidence.names import OpenSegment
from streamer.evidence.shelf import Shelf, open_shelf
from tests.grounding.alert_shelf import alert
from tests.streamer.evidence.recording import (
    config_of,
    feed,
    make_video,
    names_in,
    recorder_of,
    shown_in,
)
from tests.streamer.media import START, Video, read_number

FPS = 10
SECONDS = 60
OPTIONS = ClipOptions(before_seconds=3.0, after_seconds=2.0, longest_seconds=30.0)
PIECES: tuple[Piece, ...] = ("clip.mp4", "thumbnail.jpg", "preview.webp")

numbers = itertools.count()


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(START + 1000)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of the camera whose picture at START + t shows 10 t."""
    folder = tmp_path_factory.mktemp("recorded")
    video = make_video(folder / "video.mp4", Video(), FPS * SECONDS)
    with recorder_of(config_of(folder / "kept")) as recorder:
        feed(video, recorder)
    return folder / "kept"


@pytest.fixture(params=["folder", "memory"])
def shelf(request: pytest.FixtureRequest, recorded: Path, tmp_path: Path) -> Shelf:
    """What was recorded, for the test alone."""
    memory = f"memory://alert-evidence-{next(numbers)}"
    mine = open_shelf(str(tmp_path / "shelf") if request.param == "folder" else memory)
    for name in names_in(open_shelf(str(recorded))):
        mine.put_bytes((recorded / name).read_bytes(), name)
    return mine


@pytest.fixture
def config(tmp_path: Path) -> EvidenceConfig:
    return config_of(tmp_path / "written")


@pytest.fixture
def evidence(shelf: Shelf, config: EvidenceConfig, clock: Clock) -> AlertEvidence:
    return AlertEvidence(shelf, OPTIONS, config, clock)


def event(start: float, end: float, number: int = 0, **fields: object) -> Alert:
    """A closed alert; it is clearest in the middle of its end's second."""
    curve = ((START + start, 0.3), (START + end - 0.05, 0.9), (START + end + 5, 0.95))
    values = {"start": START + start, "end": START + end, "saliency": curve, "at": START + end + 9}
    return alert(number, state="closed", **(values | fields))


def check_clip(evidence: AlertEvidence, one: Alert) -> None:
    with evidence.opened(one, "clip.mp4") as (path, about):
        shown = shown_in(path)
    for seconds, number in shown:
        assert about.start + seconds == pytest.approx(START + number / FPS, abs=0.002)
    assert about.start + about.offset_seconds == pytest.approx(one.start, abs=0.002)
    wanted_end = min(one.end + 2.0, one.start - 3.0 + 30.0, START + SECONDS)
    assert about.start <= max(START, one.start - 3.0) + 0.002
    assert about.start + shown[-1][0] + 0.1 >= wanted_end - 0.002
    assert about.complete


def test_clips_of_random_alerts(evidence: AlertEvidence) -> None:
    chance = random.Random(5)
    for number in range(6):
        start = chance.uniform(0, SECONDS - 5)
        one = event(start, min(SECONDS - 0.2, start + chance.uniform(0.5, 40)), number)
        check_clip(evidence, one)  # cut when it is asked for
        assert evidence.keep(one)
        check_clip(evidence, one)  # as it was kept


def test_the_thumbnail_is_of_where_it_is_clearest(evidence: AlertEvidence) -> None:
    one = event(20.0, 26.0)
    for _ in range(2):
        with evidence.opened(one, "thumbnail.jpg") as (path, _about):
            shown = np.asarray(Image.open(path))
        assert read_number(shown) in (258, 259, 260)  # within the alert: not the curve's end
        assert evidence.keep(one)


def test_the_preview_runs_over_the_event(evidence: AlertEvidence) -> None:
    one = event(20.0, 29.0)
    for _ in range(2):
        with evidence.opened(one, "preview.webp") as (path, _about):
            preview = Image.open(BytesIO(path.read_bytes()))
        numbers = []
        for frame in range(preview.n_frames):
            preview.seek(frame)
            numbers.append(read_number(np.asarray(preview.convert("RGB"))))
        assert numbers == pytest.approx([200 + 10 * i for i in range(10)], abs=1)
        assert evidence.keep(one)


def test_what_is_kept_outlives_what_it_was_cut_from(evidence, shelf) -> None:
    one = event(20.0, 26.0)
    assert evidence.kept(one) is None
    assert evidence.keep(one)
    assert evidence.kept(replace(one, state="updated")) is None
    shelf.remove("yard")
    for piece in PIECES:
        with evidence.opened(one, piece) as (path, about):
            assert path.stat().st_size > 100
            assert about == evidence.kept(one)
    with (
        pytest.raises(EvidenceMissingError, match="off, was not kept then, or is gone"),
        evidence.opened(event(40.0, 41.0, 1), "clip.mp4"),
    ):
        pass


def test_an_open_alert_shows_what_there_is_so_far(evidence, clock, shelf) -> None:
    clock.now = START + 60
    one = replace(event(50.0, 58.0, at=START + 60), state="updated")
    with evidence.opened(one, "clip.mp4") as (path, about):
        assert shown_in(path)
        assert not about.complete
    assert not evidence.keep(one)
    assert KEPT not in shelf.folders("")


def test_a_clip_waits_for_its_last_segment(evidence, clock) -> None:
    clock.now = START + 62
    one = event(50.0, 59.0, at=START + 61)  # and 2 s after it, which may still come
    assert not evidence.keep(one)
    with evidence.opened(one, "clip.mp4") as (_, about):
        assert not about.complete
    clock.now = START + 200  # the longest segment may still be written, on another machine
    assert not evidence.keep(one)
    clock.now = START + 300  # the camera is gone: nothing more will come
    assert evidence.keep(one)
    with evidence.opened(one, "clip.mp4") as (_, about):
        assert about.complete


def test_a_clip_waits_for_what_lies_incomplete(evidence, config, clock) -> None:
    one = event(50.0, 59.0)
    clock.now = START + 1000
    folder = config.open_folder / "yard"
    folder.mkdir(parents=True)
    begin_ms = round((START + 58) * 1000)
    left = folder / OpenSegment(begin_ms, begin_ms).name
    left.write_bytes(b"half of a segment")  # of a process that was killed
    assert not evidence.keep(one)
    with evidence.opened(one, "clip.mp4") as (_, about):
        assert not about.complete
    assert evidence.keep(event(20.0, 26.0, 1))  # it has nothing of another time
    assert evidence.keep(event(20.0, 26.0, 2, camera_id="gate"))
    left.unlink()
    assert evidence.keep(one)


def test_a_segment_that_never_becomes_complete_is_not_waited_for_for_ever(
    evidence, config, clock
) -> None:
    one = event(50.0, 59.0)
    (config.open_folder / "yard").mkdir(parents=True)
    begin_ms = round((START + 58) * 1000)
    (config.open_folder / "yard" / OpenSegment(begin_ms, begin_ms).name).write_bytes(b"half")
    clock.now = START + 3000
    assert not evidence.keep(one)
    clock.now = START + 4000
    assert evidence.keep(one)


def test_an_alert_of_this_moment_is_pending(evidence, clock) -> None:
    clock.now = START + 71
    one = replace(event(65.0, 70.0, at=START + 71), state="opened")
    for piece in PIECES:
        with (
            pytest.raises(EvidencePendingError, match="ask again"),
            evidence.opened(one, piece),
        ):
            pass


def test_a_camera_that_keeps_nothing_is_done_with_at_once(evidence, clock, shelf) -> None:
    one = event(20.0, 26.0, camera_id="off")
    assert evidence.keep(one)
    assert KEPT not in shelf.folders("")
    with (
        pytest.raises(EvidenceMissingError, match="camera 'off'"),
        evidence.opened(one, "clip.mp4"),
    ):
        pass


def test_half_of_what_is_to_be_kept_is_kept_again(evidence, shelf) -> None:
    one = event(20.0, 26.0)
    assert evidence.keep(one)
    (about,) = [name for name in names_in(shelf, KEPT) if name.endswith(ABOUT)]
    shelf.put_bytes(b"{", about)  # as if the process had been killed meanwhile
    assert evidence.keep(one)
    check_clip(evidence, one)


def test_old_clips_go_by_days(evidence, shelf) -> None:
    for number, day in enumerate((0, 1, 2)):
        assert evidence.keep(event(20.0, 26.0, number, at=START + 26 + day * 86400))
    assert evidence.prune(START + 2 * 86400) == 2
    assert shelf.folders(KEPT) == ["2023-11-16"]


def test_a_camera_that_came_back_larger_is_told_in_parts(tmp_path: Path, clock) -> None:
    shelf = open_shelf(str(tmp_path / "kept"))
    small = make_video(tmp_path / "small.mp4", Video(), 50)
    large = make_video(tmp_path / "large.mp4", Video(width=256, height=192), 100)
    with recorder_of(config_of(tmp_path / "kept")) as recorder:
        feed(small, recorder)
        feed(large, recorder, START + 5)
    evidence = AlertEvidence(shelf, OPTIONS, config_of(tmp_path / "kept"), clock)
    one = event(4.0, 12.0)
    assert evidence.keep(one)
    with evidence.opened(one, "clip.mp4") as (_, about):
        assert (about.parts, about.width) == (2, 256)
        assert about.start == pytest.approx(START + 5, abs=0.002)
        assert about.offset_seconds == pytest.approx(-1.0, abs=0.002)


def test_a_temporary_folder_without_room_is_a_fault_of_the_storage(
    evidence, shelf, monkeypatch
) -> None:
    def refuse(*_args: object, **_options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    one = event(20.0, 26.0)
    with monkeypatch.context() as full:
        full.setattr(tempfile, "mkdtemp", refuse)
        with pytest.raises(EvidenceStorageError, match=r"TMPDIR.*No space left"):
            evidence.keep(one)
        with pytest.raises(EvidenceStorageError), evidence.opened(one, "clip.mp4"):
            pass
    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", refuse)
        with pytest.raises(EvidenceStorageError), evidence.opened(one, "preview.webp"):
            pass
    assert evidence.keep(one)


def test_what_is_kept_and_cannot_be_read_is_a_fault_of_the_storage(evidence, monkeypatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    one = event(20.0, 26.0)
    assert evidence.keep(one)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(EvidenceStorageError, match="Input/output error"):
        evidence.keep(one)


def test_a_disk_that_is_nearly_full_takes_no_clip(evidence, shelf, config, clock) -> None:
    class Disk(type(shelf)):  # type: ignore[misc]
        def free_bytes(self) -> int:
            return 400

    shelf.__class__ = Disk
    short = AlertEvidence(shelf, OPTIONS, dataclasses.replace(config, keep_free_bytes=1000), clock)
    one = event(20.0, 26.0)
    with pytest.raises(EvidenceStorageError, match="keep_free_gigabytes"):
        short.keep(one)
    assert KEPT not in shelf.folders("")
    enough = AlertEvidence(shelf, OPTIONS, dataclasses.replace(config, keep_free_bytes=800), clock)
    assert enough.keep(one)
    shelf.free_bytes = lambda: 0
    assert short.keep(one)  # it is there
