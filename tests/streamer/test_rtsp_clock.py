"""The clock of a real RTSP server: its RTCP sender reports, and what is made of them."""

import logging
import os
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from streamer.config import Decode, ReadOptions
from streamer.cut import cut_clips
from streamer.frame import Frame
from streamer.packet_tap import StreamFacts
from streamer.source import read_frames, tap_packets
from tests.requirements import skip_or_fail
from tests.streamer.coded import B_FRAMES, Coded, write_coded
from tests.streamer.media import SMALL, read_number

PYTHON = "/usr/bin/python3"
IMPORTS = (
    'import gi; gi.require_version("GstRtspServer", "1.0"); import gi.repository.GstRtspServer'
)
SECONDS = 7.0  # a first report comes within 5


@pytest.fixture(scope="module", autouse=True)
def gstreamer() -> None:
    try:
        subprocess.run([PYTHON, "-c", IMPORTS], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        skip_or_fail("rtsp", f"{PYTHON} cannot import gi.repository.GstRtspServer")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s with B-frames."""
    path = tmp_path_factory.mktemp("rtsp") / "film.mp4"
    return write_coded(path, Coded(options=B_FRAMES | {"g": "25"}), 300)


@pytest.fixture
def serve(film: Path) -> Iterator:
    servers: list[subprocess.Popen[str]] = []

    def start(**environment: str) -> str:
        script = str(Path(__file__).with_name("rtsp_server.py"))
        servers.append(
            subprocess.Popen(
                [PYTHON, script, str(film)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ | environment,
            )
        )
        assert servers[-1].stdout is not None
        return f"rtsp://127.0.0.1:{int(servers[-1].stdout.readline())}/live"

    yield start
    for server in servers:
        server.kill()
        server.communicate()


def watch(url: str, options: ReadOptions) -> list[tuple[Frame, int, float]]:
    """Some seconds of frames, what they show, and when they came."""
    read: list[tuple[Frame, int, float]] = []
    frames = read_frames(url, options)
    ends = time.monotonic() + SECONDS
    for frame in frames:
        read.append((frame, read_number(frame.pixels), time.time()))
        if time.monotonic() > ends:
            break
    frames.close()  # type: ignore[attr-defined]
    return read


class Kept:
    """A tap that keeps what it is given."""

    def __init__(self) -> None:
        self.facts: list[StreamFacts] = []
        self.packets: list[tuple[int | None, bool, float]] = []
        self.bytes = 0
        self.ended = 0

    def begin(self, stream: StreamFacts) -> None:
        self.facts.append(stream)

    def packet(
        self, data: bytes, pts: int | None, dts: int | None, is_keyframe: bool, at: float
    ) -> None:
        self.packets.append((pts, is_keyframe, at))
        self.bytes += len(data)

    def end(self) -> None:
        self.ended += 1


@pytest.mark.parametrize(("transport", "decode"), [("tcp", "auto"), ("udp", "all")])
def test_clips_have_the_servers_time(serve, transport: str, decode: Decode):
    kept = Kept()
    options = ReadOptions("yard", SMALL, rtsp_transport=transport, decode=decode, tap=kept)
    read = watch(serve(), options)
    frames = [frame for frame, _, _ in read]
    settled = [(frame, came) for frame, _, came in read if frame.clock_source == "rtp"]
    assert len(settled) > 20
    # The server's clock is ours, and it sends a picture when the next but two is there
    late = [came - frame.at for frame, came in settled[-20:]]
    assert min(late) >= -0.01
    assert sorted(late)[10] <= 0.4
    # The server's first packets have no stamps
    for (before, first), (after, second) in pairwise([(f, n) for f, n, _ in read[10:]]):
        assert after.at - before.at == pytest.approx((second - first) / 25, abs=0.02)
    clips = list(cut_clips(frames, SMALL))
    assert len({clip.session for clip in clips}) == 1
    assert clips[-1].clock_source == "rtp"
    # What is kept as evidence lies on the same time line as the clips
    times = {pts: at for pts, _, at in kept.packets}
    shown = {round(at, 6) for at in times.values()}
    assert all(round(frame.at, 6) in shown for frame in frames[1:])
    assert len(kept.facts) == kept.ended == 1
    assert (kept.facts[0].codec, kept.facts[0].width, kept.facts[0].height) == ("h264", 128, 96)
    assert kept.facts[0].extradata


def test_a_server_that_knows_no_time_is_not_believed(serve, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        read = watch(serve(NTP_TIME_SOURCE="2"), ReadOptions("yard", SMALL))
    assert {frame.clock_source for frame, _, _ in read} == {"arrival"}
    late = sorted(came - frame.at for frame, _, came in read[-20:])
    assert abs(late[10]) <= 0.3
    (said,) = [record for record in caplog.records if "its clock is" in record.message]
    assert "s slow" in said.message
    assert "NTP" in said.message


def test_packets_are_tapped_without_decoding(serve):
    kept = Kept()
    times = tap_packets(serve(), ReadOptions("yard", SMALL, tap=kept))
    ends = time.monotonic() + SECONDS
    for at in times:  # noqa: B007 - the last one is looked at
        if time.monotonic() > ends:
            break
    assert abs(time.time() - at) < 0.5
    times.close()  # type: ignore[attr-defined]
    assert kept.ended == 1
    assert len(kept.packets) > 100
    assert kept.bytes > 1000
    keys = [at for _, is_keyframe, at in kept.packets if is_keyframe]
    assert [b - a for a, b in pairwise(keys[-3:])] == pytest.approx([1.0, 1.0], abs=0.05)
