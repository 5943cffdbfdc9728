"""What a camera sends is kept as it is, in segments that begin with key frames."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from streamer.evidence.shelf import open_shelf
from tests.streamer.evidence.recording import (
    config_of,
    feed,
    make_video,
    names_in,
    numbers_in,
    recorder_of,
    segments_in,
)
from tests.streamer.media import START, Video

B_FRAMES = {"preset": "medium", "bf": "3", "crf": "18", "b-adapt": "0"}
KINDS = {
    "h264 in mp4": (Video(), "mp4", B_FRAMES),
    "h264 in ts": (Video(), "ts", B_FRAMES),
    "h264 in flv": (Video(), "flv", {}),
    "hevc in mp4": (
        Video(codec="libx265"),
        "mp4",
        {"preset": "ultrafast", "x265-params": "log-level=none:bframes=2:open-gop=0"},
    ),
    "mjpeg": (Video(codec="mjpeg", pixel_format="yuvj420p"), "mkv", {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_segments_hold_exactly_the_frames_that_came(kind: str, tmp_path: Path) -> None:
    video, container, options = KINDS[kind]
    path = make_video(tmp_path / f"video.{container}", video, 75, options)
    config = config_of(tmp_path / "evidence")
    with recorder_of(config) as recorder:
        feed(path, recorder)
    shelf = open_shelf(config.url)
    segments = segments_in(shelf)
    assert len(segments) >= 3
    numbers = []
    for segment in segments:
        with shelf.opened(segment.name) as file:
            numbers += numbers_in(file)
    assert numbers == list(range(75))
    assert recorder.tally.segments == len(segments)
    assert recorder.tally.packets_dropped == 0


def test_segments_follow_one_another_without_a_gap(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", Video(), 75, B_FRAMES)
    config = config_of(tmp_path / "evidence")
    with recorder_of(config) as recorder:
        feed(path, recorder)
    segments = segments_in(open_shelf(config.url))
    assert segments[0].start == pytest.approx(START, abs=0.3)
    assert segments[-1].end == pytest.approx(segments[0].start + 7.5, abs=0.01)
    for before, after in pairwise(segments):
        assert before.end_ms == after.start_ms
        assert 1.5 <= before.end - before.start <= 3
    assert {segment.session for segment in segments} == {segments[0].start_ms}


def test_every_segment_has_a_snapshot(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", Video(), 50)
    config = config_of(tmp_path / "evidence")
    with recorder_of(config) as recorder:
        feed(path, recorder)
    names = names_in(open_shelf(config.url))
    assert sum(name.endswith(".jpg") for name in names) == sum(
        name.endswith(".mkv") for name in names
    )


def test_what_no_clip_could_begin_with_is_not_kept(tmp_path: Path) -> None:
    # One key frame at the beginning, and one after four seconds
    path = make_video(tmp_path / "video.mp4", replace(Video(), key_frame_every=40), 60)
    config = config_of(tmp_path / "evidence", segment_seconds=0.8, longest_segment_seconds=2.0)
    with recorder_of(config) as recorder:
        feed(path, recorder)
    shelf = open_shelf(config.url)
    shown = []
    for segment in segments_in(shelf):
        with shelf.opened(segment.name) as file:
            shown.append(numbers_in(file))
    assert shown == [list(range(20)), list(range(40, 60))]
    assert recorder.tally.refused == 20
    assert recorder.tally.faults == 0


def test_long_segments_end_with_key_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", Video(), 60)
    config = config_of(tmp_path / "evidence", segment_seconds=3.0, longest_segment_seconds=2.0)
    with recorder_of(config) as recorder:
        feed(path, recorder)
    assert len(segments_in(open_shelf(config.url))) == 2
    assert recorder.tally.refused == 0
