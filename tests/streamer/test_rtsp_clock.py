"""The clock of a real RTSP server: its RTCP sender reports, and what is made of them."""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from streamer.address_policy import AddressPolicy
from streamer.camera_record import CameraRecord
from streamer.checked_reader import CheckedReader
from streamer.clip import Clip
from streamer.clock import JUMP_SECONDS
from streamer.config import Decode, ReadOptions, StreamerPartConfig
from streamer.cut import ClipCutter
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
PATIENCE = 60.0  # seconds until a test gives up: a busy machine needs some of them
RTP_CLOCK = 90_000  # units a second


@pytest.fixture(scope="module", autouse=True)
def gstreamer() -> None:
    try:
        subprocess.run([PYTHON, "-c", IMPORTS], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        skip_or_fail("rtsp", f"{PYTHON} cannot import gi.repository.GstRtspServer")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 s with B-frames: a first report comes within 5, and is slewed to at a quarter."""
    path = tmp_path_factory.mktemp("rtsp") / "film.mp4"
    return write_coded(path, Coded(options=B_FRAMES | {"g": "25"}), 1000)


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


def watch(
    url: str, options: ReadOptions, is_enough: Callable[[Frame], bool]
) -> list[tuple[Frame, int, float]]:
    """Frames until it is enough, what they show, and when they came."""
    read: list[tuple[Frame, int, float]] = []
    frames = read_frames(url, options)
    deadline = time.monotonic() + PATIENCE
    for frame in frames:
        read.append((frame, read_number(frame.pixels), time.time()))
        if is_enough(frame):
            break
        assert time.monotonic() < deadline, read[-1]
    frames.close()  # type: ignore[attr-defined]
    return read


def check_order(read: list[tuple[Frame, int, float]]) -> None:
    """Nothing is shown twice or goes back, and nothing is dated far after it came."""
    numbers = [number for _, number, _ in read]
    assert numbers == sorted(set(numbers))
    at = [frame.at for frame, _, _ in read]
    assert at == sorted(set(at))
    # One machine, one clock: what is smoothed may be ahead of it after a pause, but not so far
    assert all(frame.at <= came + JUMP_SECONDS for frame, _, came in read)


@pytest.mark.parametrize(("transport", "decode"), [("tcp", "auto"), ("udp", "all")])
def test_clips_have_the_servers_time(serve, transport: str, decode: Decode):
    """How exact they are is in test_packet_dates, whose clocks no busy machine holds up."""
    kept, cutter, clips = Kept(), ClipCutter(SMALL), list[Clip]()

    def is_enough(frame: Frame) -> bool:
        clips.extend(cutter.push(frame))
        return bool(clips) and clips[-1].clock_source == "rtp"

    options = ReadOptions("yard", SMALL, rtsp_transport=transport, decode=decode, tap=kept)
    read = watch(serve(), options, is_enough)
    check_order(read[1:])  # the server's first packets have no stamps
    assert "rtp" in {frame.clock_source for frame, _, _ in read}
    assert len({clip.session for clip in clips}) == 1
    # What is kept as evidence lies on the same time line as the clips
    shown = {round(at, 6) for _, _, at in kept.packets}
    assert all(round(frame.at, 6) in shown for frame, _, _ in read[1:])
    assert len(kept.facts) == kept.ended == 1
    assert (kept.facts[0].codec, kept.facts[0].width, kept.facts[0].height) == ("h264", 128, 96)
    assert kept.facts[0].extradata


def test_a_server_that_knows_no_time_is_not_believed(serve, caplog: pytest.LogCaptureFixture):
    def told() -> list[str]:
        return [one.message for one in caplog.records if "its clock is" in one.message]

    options = ReadOptions("yard", SMALL)
    with caplog.at_level(logging.WARNING):
        read = watch(serve(NTP_TIME_SOURCE="2"), options, lambda _: bool(told()))
    assert {frame.clock_source for frame, _, _ in read} == {"arrival"}
    check_order(read[1:])
    (said,) = told()
    assert "s slow" in said
    assert "NTP" in said


def test_packets_are_tapped_without_decoding(serve):
    kept, told = Kept(), list[float]()

    def keys() -> list[tuple[int | None, float]]:
        return [(pts, at) for pts, is_keyframe, at in kept.packets if is_keyframe]

    times = tap_packets(serve(), ReadOptions("yard", SMALL, tap=kept))
    deadline = time.monotonic() + PATIENCE
    for at in times:
        told.append(at)
        if len(keys()) > 4:
            break
        assert time.monotonic() < deadline
    assert at <= time.time() + JUMP_SECONDS
    times.close()  # type: ignore[attr-defined]
    assert kept.ended == 1
    assert kept.bytes > 1000
    assert [at for _, _, at in kept.packets] == told, "every packet, at the time that was told"
    stamps = [pts or 0 for pts, _ in keys()[-3:]]
    assert [b - a for a, b in pairwise(stamps)] == [RTP_CLOCK, RTP_CLOCK]
    seen = [at for _, at in keys()]
    assert seen == sorted(set(seen))


def test_the_second_stream_is_looked_at_and_the_main_one_recorded(serve, tmp_path: Path):
    """Two servers, so that the sizes tell which is which; the secret is the main one's alone."""
    small = write_coded(tmp_path / "small.mp4", Coded(options=NO_B_FRAMES, size=(64, 48)), 1000)
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
    deadline = time.monotonic() + PATIENCE
    for _ in frames:
        if tally.evidence.segments >= 2:
            break
        assert time.monotonic() < deadline, tally.evidence
    frames.close()  # type: ignore[attr-defined]
    assert sizes == {64}
    kept = [path for path in (tmp_path / "kept").rglob("*.mkv") if "open" not in path.parts]
    assert len(kept) >= 2, list((tmp_path / "kept").rglob("*"))
    with av.open(str(kept[0])) as segment:
        assert segment.streams.video[0].width == 128
    assert not [thread for thread in threading.enumerate() if "main stream" in thread.name]
