"""Clips cover what was asked for wherever there is evidence, and say truly when they begin."""

import random
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import av
import pytest

from streamer.errors import EvidenceMissingError
from streamer.evidence.event import Cut, Wanted
from streamer.evidence.find import find_segments
from streamer.evidence.media.clip_cut import cut_clip
from streamer.evidence.media.clip_file import decoding_times
from streamer.evidence.shelf import Shelf, open_shelf
from tests.streamer.evidence.recording import (
    config_of,
    feed,
    make_video,
    recorder_of,
    shown_in,
)
from tests.streamer.media import START, Video

FPS = 10
SECONDS = 30
B_FRAMES = {"preset": "medium", "bf": "3", "crf": "18", "b-adapt": "0"}


@pytest.fixture(scope="module", params=["h264", "hevc", "mjpeg"])
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Half a minute of a camera whose picture at START + t shows 10 t."""
    folder = tmp_path_factory.mktemp("evidence")
    video, options = Video(), B_FRAMES
    if request.param == "hevc":
        video = Video(codec="libx265")
        options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=2"}  # open groups
    if request.param == "mjpeg":
        video, options = Video(codec="mjpeg", pixel_format="yuvj420p"), {}
    path = make_video(folder / "video.mkv", video, FPS * SECONDS, options)
    config = config_of(folder / "kept")
    with recorder_of(config) as recorder:
        feed(path, recorder)
    return open_shelf(config.url)


def cut(shelf: Shelf, wanted: Wanted, target: Path) -> Cut:
    found = find_segments(shelf, "yard", wanted.begin, wanted.end)
    with ExitStack() as stack:
        files = [(one, stack.enter_context(shelf.opened(one.name))) for one in found]
        return cut_clip(files, wanted, target)


def wanted_of(start: float, end: float, before: float = 2.0, after: float = 2.0) -> Wanted:
    return Wanted(START + start - before, START + end + after, START + start, START + end)


def check(made: Cut, wanted: Wanted, target: Path, kept: tuple[float, float]) -> None:
    """What the file shows is what it is said to show, in a codec that browsers play."""
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.name in ("h264", "hevc")
    shown = shown_in(target)
    numbers = [number for _, number in shown]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    for seconds, number in shown:
        assert made.start + seconds == pytest.approx(START + number / FPS, abs=0.002)
    first, last = START + numbers[0] / FPS, START + (numbers[-1] + 1) / FPS
    assert made.start == pytest.approx(first, abs=0.002)
    assert made.end == pytest.approx(last, abs=0.011)
    assert first <= max(wanted.begin, kept[0]) + 0.002
    assert last >= min(wanted.end, kept[1]) - 0.002


def test_random_alerts_are_covered_and_their_offset_is_true(shelf: Shelf, tmp_path: Path) -> None:
    chance = random.Random(7)
    for number in range(12):
        start = chance.uniform(0, SECONDS - 0.2)
        wanted = wanted_of(start, min(SECONDS, start + chance.uniform(0.1, 12)))
        target = tmp_path / f"{number}.mp4"
        made = cut(shelf, wanted, target)
        check(made, wanted, target, (START, START + SECONDS))
        assert made.start > wanted.begin - 1.5  # the key frame before, no earlier one
        assert made.parts == 1


def test_a_time_without_evidence_is_missing(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(EvidenceMissingError):
        cut(shelf, wanted_of(900, 905), tmp_path / "none.mp4")


def test_a_camera_that_came_back_is_one_clip_with_a_pause(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", Video(), 40, B_FRAMES)
    config = config_of(tmp_path / "kept")
    with recorder_of(config) as recorder:
        feed(video, recorder)
        feed(video, recorder, START + 6)
    wanted = wanted_of(1, 8)
    made = cut(open_shelf(config.url), wanted, tmp_path / "clip.mp4")
    shown = shown_in(tmp_path / "clip.mp4")
    assert [number for _, number in shown] == [*range(40), *range(40)]
    times = [made.start + seconds - START for seconds, _ in shown]
    assert times[:40] == pytest.approx([i / FPS for i in range(40)], abs=0.002)
    assert times[40:] == pytest.approx([6 + i / FPS for i in range(40)], abs=0.002)


def test_of_two_codecs_the_one_that_shows_the_event_is_taken(tmp_path: Path) -> None:
    one = make_video(tmp_path / "one.mp4", Video(), 40, B_FRAMES)
    two = make_video(tmp_path / "two.mp4", Video(width=256, height=192), 40, B_FRAMES)
    config = config_of(tmp_path / "kept")
    with recorder_of(config) as recorder:
        feed(one, recorder)
        feed(two, recorder, START + 4)
    shelf = open_shelf(config.url)
    early = cut(shelf, wanted_of(1, 4.5), tmp_path / "early.mp4")
    assert (early.parts, early.width) == (2, 128)
    assert [number for _, number in shown_in(tmp_path / "early.mp4")] == list(range(40))
    late = cut(shelf, wanted_of(3.5, 7), tmp_path / "late.mp4")
    assert (late.parts, late.width) == (2, 256)
    assert late.start == pytest.approx(START + 4, abs=0.002)


def test_damaged_and_empty_segments_are_left_out(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", Video(), 100, B_FRAMES)
    config = config_of(tmp_path / "kept")
    with recorder_of(config) as recorder:
        feed(video, recorder)
    shelf = open_shelf(config.url)
    segments = find_segments(shelf, "yard", START, START + 10)
    assert len(segments) >= 4
    (tmp_path / "kept" / segments[1].name).write_bytes(b"")
    (tmp_path / "kept" / segments[2].name).write_bytes(b"not a video at all" * 100)
    made = cut(shelf, wanted_of(0, 10, 0, 0), tmp_path / "clip.mp4")
    lost = range(round((segments[1].start - START) * FPS), round((segments[2].end - START) * FPS))
    shown = shown_in(tmp_path / "clip.mp4")
    assert [number for _, number in shown] == [n for n in range(100) if n not in lost]
    for seconds, number in shown:
        assert made.start + seconds == pytest.approx(START + number / FPS, abs=0.002)


def test_packets_are_decoded_in_order_and_before_they_are_shown() -> None:
    chance = random.Random(3)
    for _ in range(200):
        shown = [chance.randrange(1000) for _ in range(chance.randrange(1, 30))]
        decoded = decoding_times(shown)
        assert all(before < after for before, after in pairwise(decoded))
        assert all(one <= at for one, at in zip(decoded, shown, strict=True))
