"""Of a camera with masks only painted pictures are kept."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.config import ReadOptions
from streamer.evidence.played_tap import PlayedTap
from streamer.evidence.recorder import EvidenceRecorder
from streamer.evidence.shelf import open_shelf
from streamer.ffmpeg.painter import display_matrix
from streamer.orientation import Orientation
from streamer.packet_tap import PacketTap, StreamFacts
from streamer.source import read_frames
from tests.streamer.evidence.recording import config_of, feed, make_video, segments_in
from tests.streamer.media import SMALL, Video, write_video

LEFT = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)
CORNER = (((0.0, 0.0), (0.25, 0.0), (0.25, 0.25), (0.0, 0.25)),)
WHITE = 4095  # a number whose picture is white all over
# FFmpeg's matrix of a picture that is shown a quarter turn clockwise
TURN = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], "<i4").tobytes()


def record(path: Path, folder: Path, masks: tuple, matrix: bytes = b"") -> list[np.ndarray]:
    """The pictures that are kept [T, H, W, 3]."""
    config = config_of(folder)
    recorder = EvidenceRecorder("yard", config, open_shelf(config.url), masks)
    feed(path, _Turned(recorder, matrix))
    recorder.close()
    assert recorder.tally.faults == 0
    return kept_pictures(folder)


def kept_pictures(folder: Path) -> list[np.ndarray]:
    pictures = []
    for segment in segments_in(open_shelf(str(folder))):
        with av.open(str(folder / segment.name)) as container:
            pictures += [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
    return pictures


class _Turned:
    def __init__(self, tap: PacketTap, matrix: bytes) -> None:
        self._tap, self._matrix = tap, matrix
        self.packet, self.end = tap.packet, tap.end

    def begin(self, stream: StreamFacts) -> None:
        self._tap.begin(replace(stream, display_matrix=self._matrix))


@pytest.mark.parametrize(
    "video",
    [Video(), Video(codec="mjpeg", pixel_format="yuvj420p"), Video(width=130, height=98)],
    ids=["h264", "mjpeg", "odd sizes"],
)
def test_no_frame_shows_what_is_masked(video: Video, tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mkv", video, 60)
    pictures = record(path, tmp_path / "kept", LEFT)
    assert len(pictures) == 60
    half = video.width // 2
    for number, picture in enumerate(pictures):
        assert picture[:, :half].max() < 24
        if number & 3:  # the right half shows something
            assert picture[:, half + 4 :].max() > 150


def test_the_mask_lies_where_it_is_seen_when_the_picture_is_turned(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", replace(Video(), key_frame_every=5), 10)
    for picture in record(path, tmp_path / "kept", CORNER, TURN):
        shown = Orientation.from_display_matrix(TURN).turn(picture)
        height, width, _ = shown.shape
        assert (width, height) == (96, 128)
        assert shown[: height // 4, : width // 4].max() < 24


def test_a_turned_file_is_masked_where_it_is_seen_when_it_is_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", Video(rotation=90), [0.1 * i for i in range(30)])
    config = config_of(tmp_path / "kept")
    recorder = EvidenceRecorder("yard", config, open_shelf(config.url), CORNER)
    tap = PlayedTap(recorder)
    for frame in read_frames(str(path), ReadOptions("yard", SMALL, masks=CORNER, tap=tap)):
        tap.shown(frame.at, is_file=True)
    recorder.close()
    with av.open(str(path)) as container:
        (first, *_) = container.decode(video=0)
        turn = Orientation.from_display_matrix(display_matrix(first))
    pictures = kept_pictures(tmp_path / "kept")
    assert len(pictures) == 30
    for picture in pictures:
        shown = turn.turn(picture)
        height, width, _ = shown.shape
        assert height > width
        assert shown[: height // 4, : width // 4].max() < 24


def test_segments_of_a_masked_camera_begin_with_key_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", Video(), 75)
    record(path, tmp_path / "kept", LEFT)
    segments = segments_in(open_shelf(str(tmp_path / "kept")))
    assert len(segments) >= 3
    for before, after in pairwise(segments):
        assert before.end_ms == after.start_ms
