"""What `camera probe` sees of a source."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamer.config import ReadOptions
from streamer.errors import NotAVideoError, NoVideoTrackError, SourceMissingError
from streamer.jpeg import encode_jpegs
from streamer.source import survey
from tests.streamer.live_http import LiveHttp
from tests.streamer.media import SMALL, START, Video, draw, write_sound, write_video
from tests.streamer.rtsp_house import FEWER, House, need_gstreamer

OPTIONS = ReadOptions(
    "probe", SMALL, decode="auto", open_timeout_seconds=10.0, read_timeout_seconds=5.0
)
SOUND_TOO = "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay1 pt=8"


def test_a_file_is_looked_at_as_long_as_asked_of_its_own_time(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", Video(fps=20, key_frame_every=30), 200)
    seen = survey(str(path), OPTIONS, 4.0)
    assert seen.seconds == pytest.approx(4.0, abs=0.2)
    assert seen.measured_fps == pytest.approx(20.0)
    assert seen.keyframe_seconds == pytest.approx(1.5)
    assert (seen.clock_source, seen.has_sound, seen.decode) == ("file", False, "all")
    assert (seen.decoder_name, seen.facts.start) == ("h264", START)


def test_pictures_that_come_unevenly_are_counted_as_they_come(tmp_path: Path):
    """Every fourth of 25 a second is missing, and nobody says so."""
    times = [i / 25 for i in range(100) if i % 4]
    seen = survey(str(write_video(tmp_path / "a.mp4", Video(fps=25), times)), OPTIONS, 60.0)
    assert seen.measured_fps == pytest.approx(18.75, abs=0.2)


def test_of_a_glob_it_is_the_first(tmp_path: Path):
    for number in (2, 1):
        write_video(tmp_path / f"{number}.mp4", Video(width=32 * number), 10)
    assert survey(str(tmp_path / "*.mp4"), OPTIONS, 1.0).facts.width == 32


def test_one_picture_says_nothing_of_how_many_come(tmp_path: Path):
    seen = survey(str(write_video(tmp_path / "a.mp4", Video(), 1)), OPTIONS, 1.0)
    assert (seen.measured_fps, seen.keyframe_seconds) == (None, None)


def test_what_cannot_be_looked_at(tmp_path: Path):
    with pytest.raises(NoVideoTrackError):
        survey(str(write_sound(tmp_path / "a.m4a")), OPTIONS, 1.0)
    with pytest.raises(SourceMissingError):
        survey(str(tmp_path / "none.mp4"), OPTIONS, 1.0)
    (tmp_path / "b.mp4").write_text("This is no video.")
    with pytest.raises(NotAVideoError):
        survey(str(tmp_path / "b.mp4"), OPTIONS, 1.0)


@pytest.fixture
def mjpeg() -> Iterator[LiveHttp]:
    jpegs = encode_jpegs(np.stack([draw(number) for number in range(200)]))
    content = b"".join(
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(j), j)
        for j in jpegs
    )
    camera = LiveHttp(content, 20.0, "multipart/x-mixed-replace; boundary=frame", at_once=0.0)
    yield camera
    camera.close()


def test_mjpeg_over_http_does_not_say_how_many_come(mjpeg: LiveHttp):
    seen = survey(mjpeg.url("video.mjpg"), OPTIONS, 3.0)
    assert seen.facts.live
    assert seen.clock_source == "arrival"
    assert seen.facts.fps is None
    assert seen.measured_fps is not None
    assert 0 < seen.measured_fps < 16


@pytest.mark.slow
def test_a_camera_by_rtsp():
    need_gstreamer()
    house = House()
    try:
        url = house.mount("yard", f"{FEWER.removesuffix(')')} {SOUND_TOO} )")
        seen = survey(url, OPTIONS, 6.0)
    finally:
        house.kill()
    assert (seen.facts.codec, seen.facts.width, seen.facts.height) == ("h264", 128, 96)
    assert (seen.has_sound, seen.clock_source) == (True, "rtp")
    assert seen.facts.fps == 25.0
    assert seen.measured_fps == pytest.approx(21.0, abs=1.0)
    assert seen.keyframe_seconds == pytest.approx(10 / 21, abs=0.05)
