"""Cameras over HTTP, MJPEG and HLS, that stop, break off and come back."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamer.jpeg import encode_jpegs
from tests.streamer.leaks import Held
from tests.streamer.live_hls import LiveHls, cut_segments
from tests.streamer.live_http import LiveHttp
from tests.streamer.media import draw, read_number
from tests.streamer.watched import CALM, QUICK, Watched

SECONDS = 60
# Silence is waited for, and two seconds of it are enough
stalls = pytest.mark.parametrize("fleet", [QUICK], indirect=True)


@pytest.fixture(scope="module")
def pictures() -> bytes:
    """A minute of MJPEG, ten pictures a second, as cameras send it to a browser."""
    jpegs = encode_jpegs(np.stack([draw(number) for number in range(SECONDS * 10)]))
    head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    return b"".join(head % len(jpeg) + jpeg + b"\r\n" for jpeg in jpegs)


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("hls")
    return folder, cut_segments(folder, 120)


@pytest.fixture
def held() -> Iterator[None]:
    before = Held.now()
    yield
    before.check_nothing_more()


@pytest.fixture
def mjpeg(held: None, pictures: bytes) -> Iterator[LiveHttp]:
    kind = "multipart/x-mixed-replace; boundary=frame"
    camera = LiveHttp(pictures, SECONDS, kind, at_once=0.0)
    yield camera
    camera.close()


@pytest.fixture
def hls(held: None, segments: tuple[Path, int]) -> Iterator[LiveHls]:
    camera = LiveHls(*segments)
    yield camera
    camera.close()


@pytest.fixture
def fleet(mjpeg: LiveHttp, hls: LiveHls, request: pytest.FixtureRequest) -> Iterator[Watched]:
    fleet = Watched(getattr(request, "param", CALM))
    yield fleet
    mjpeg.close()
    fleet.close()


@pytest.mark.slow
@stalls
def test_mjpeg_is_read_and_comes_back_after_a_silence(fleet: Watched, mjpeg: LiveHttp):
    fleet.add("yard", mjpeg.url("video.mjpg"))
    fleet.wait_for_clips("yard", 4)
    fleet.check_untouched("yard")
    shown = [read_number(pixels) for clip in fleet.clips["yard"] for pixels in clip.frames]
    assert shown == sorted(set(shown))
    # FFmpeg says that 25 pictures come in a second; ten do, and clips keep up with the clock
    assert shown[-1] - shown[0] == pytest.approx(10 * 7.5, abs=10)
    assert fleet.clips["yard"][3].end - time.time() == pytest.approx(0.0, abs=2.0)
    mjpeg.still.set()
    noticed = fleet.wait_for_reason("yard", "stall")
    mjpeg.still.clear()
    recovered = fleet.wait_for_session("yard")
    print(f"MJPEG: noticed after {noticed:.1f} s, pictures {recovered:.1f} s later")  # noqa: T201


def test_hls_is_read_as_it_goes_on(fleet: Watched, hls: LiveHls):
    fleet.add("yard", hls.url)
    fleet.wait_for_clips("yard", 3)
    fleet.check_untouched("yard")
    assert fleet.clips["yard"][-1].clock_source == "arrival"


@pytest.mark.slow
@stalls
def test_hls_that_stands_still_and_goes_on(fleet: Watched, hls: LiveHls):
    fleet.add("yard", hls.url)
    fleet.wait_for_clips("yard")
    hls.still.set()
    # What FFmpeg makes of a playlist that never changes depends on where it was
    noticed = fleet.wait(lambda: fleet.reasons("yard"), "its end")
    assert set(fleet.reasons("yard")) <= {"stall", "eof"}
    hls.still.clear()
    recovered = fleet.wait_for_session("yard")
    print(f"HLS: noticed after {noticed:.1f} s, pictures {recovered:.1f} s later")  # noqa: T201


@pytest.mark.slow
def test_hls_lacks_a_segment(fleet: Watched, hls: LiveHls):
    fleet.add("yard", hls.url)
    fleet.wait_for_clips("yard")
    hls.missing = {hls.newest + 2, hls.newest + 3}
    fleet.wait_for_clips("yard", 4)
    starts = [clip.start for clip in fleet.clips["yard"]]
    assert starts == sorted(starts)


@pytest.mark.slow
def test_hls_ends_and_is_tried_again(fleet: Watched, hls: LiveHls):
    fleet.add("yard", hls.url)
    fleet.wait_for_clips("yard")
    hls.is_over = True
    fleet.wait_for_reason("yard", "eof")
    hls.is_over = False
    fleet.wait_for_session("yard")
