"""The clock of a real RTSP server: its RTCP sender reports, and what is made of them."""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from streamer.address_policy import AddressPolicy
from streamer.camera_record import CameraRecord
from streamer.checked_reader import CheckedReader
from streamer.config import Decode, ReadOptions, StreamerPartConfig
from streamer.cut import cut_clips
from streamer.evidence.config import EvidenceConfig
from streamer.frame import Frame
from streamer.source import read_frames, tap_packets
from streamer.source_facts import ReadTally
from tests.requirements import skip_or_fail
from tests.streamer.coded import B_FRAMES, NO_B_FRAMES, Coded, write_coded
from tests.streamer.kept import Kept
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

    def start(path: Path = film, **environment: str) -> str:
        script = str(Path(__file__).with_name("rtsp_server.py"))
        servers.append(
            subprocess.Popen(
                [PYTHON, script, str(path)],
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


def test_the_second_stream_is_looked_at_and_the_main_one_recorded(serve, tmp_path: Path):
    """Two servers, so that the sizes tell which is which; the secret is the main one's alone."""
    small = write_coded(tmp_path / "small.mp4", Coded(options=NO_B_FRAMES, size=(64, 48)), 300)
    evidence = EvidenceConfig(
        url=str(tmp_path / "kept"), open_folder=tmp_path / "kept" / "open", segment_seconds=2.0
    )
    config = StreamerPartConfig(
        clip_format=SMALL,
        address_policy=AddressPolicy(loopback=True, private=True),
        evidence=evidence,
    )
    record = CameraRecord(camera_id="yard", source=serve(), sub_source=serve(small))
    sizes = set()

    def spy(source: str, options: ReadOptions, tally: ReadTally | None = None) -> Iterator[Frame]:
        assert source == record.sub_source
        for frame in read_frames(source, options, tally):
            sizes.add(frame.picture.args[0].width)  # type: ignore[union-attr]
            yield frame

    tally = ReadTally()
    frames = CheckedReader(record, config, spy)(record.source, ReadOptions("yard", SMALL), tally)
    ends = time.monotonic() + SECONDS
    for _ in frames:
        if time.monotonic() > ends:
            break
    frames.close()  # type: ignore[attr-defined]
    assert sizes == {64}
    kept = [path for path in (tmp_path / "kept").rglob("*.mkv") if "open" not in path.parts]
    assert len(kept) >= 2, list((tmp_path / "kept").rglob("*"))
    with av.open(str(kept[0])) as segment:
        assert segment.streams.video[0].width == 128
    assert tally.evidence.segments >= 2
    assert not [thread for thread in threading.enumerate() if "main stream" in thread.name]
