"""Cameras over RTSP, from a real server (GStreamer)."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from streamer.address_policy import AddressPolicy
from streamer.bus import CLIPS, HEALTH
from streamer.camera import Camera
from streamer.camera_record import CameraRecord, pack_camera
from streamer.clip import Clip
from streamer.clock import JUMP_SECONDS
from streamer.config import BackOffSettings, CameraSettings, ReadOptions, StreamerPartConfig
from streamer.errors import SourceAccessError, SourceLostError, SourceMissingError
from streamer.fleet import Fleet
from streamer.frame import Frame
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.record import unpack_clip
from streamer.registration import CameraRegistration
from streamer.source import probe, read_frames
from tests.requirements import skip_or_fail
from tests.streamer.media import SMALL, Video, read_number, write_video

PYTHON = "/usr/bin/python3"
OPTIONS = ReadOptions("yard", SMALL, read_timeout_seconds=5.0)
IMPORTS = (
    'import gi; gi.require_version("GstRtspServer", "1.0"); import gi.repository.GstRtspServer'
)


class Server:
    """A camera that can be switched off."""

    def __init__(self, path: Path, *credentials: str) -> None:
        script = str(Path(__file__).with_name("rtsp_server.py"))
        self.process = subprocess.Popen(
            [PYTHON, script, str(path), *credentials],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def off(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module", autouse=True)
def gstreamer() -> None:
    try:
        subprocess.run([PYTHON, "-c", IMPORTS], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        skip_or_fail("rtsp", f"{PYTHON} cannot import gi.repository.GstRtspServer")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rtsp") / "film.mp4"
    return write_video(path, Video(key_frame_every=5), 55)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(path: Path, *credentials: str) -> Server:
        servers.append(Server(path, *credentials))
        return servers[-1]

    yield start
    for server in servers:
        server.off()


def read_until_lost(url: str, options: ReadOptions = OPTIONS) -> list[tuple[Frame, int]]:
    read: list[tuple[Frame, int]] = []
    with pytest.raises(SourceLostError, match="ended"):
        read.extend((frame, read_number(frame.pixels)) for frame in read_frames(url, options))
    return read


def test_a_camera_is_read_with_its_own_times(serve: Callable[..., Server], film: Path):
    before = time.time()
    read = read_until_lost(f"rtsp://127.0.0.1:{serve(film).port}/live")
    numbers = [number for _, number in read]
    assert len(numbers) >= 45
    assert numbers == sorted(set(numbers))
    at = [frame.at for frame, _ in read]
    assert at == sorted(at)  # the first has no stamp
    # What FFmpeg read ahead while it opened the stream is dated when it was sent, not when read
    assert before <= at[0]
    assert at[-1] <= time.time() + JUMP_SECONDS


def test_probing_says_that_it_is_live(serve: Callable[..., Server], film: Path):
    facts = probe(f"rtsp://127.0.0.1:{serve(film).port}/live", OPTIONS)
    assert facts.live
    assert (facts.seconds, facts.start) == (None, None)
    assert (facts.codec, facts.width, facts.height) == ("h264", 128, 96)


def test_credentials(serve: Callable[..., Server], film: Path):
    port = serve(film, "admin", "pa55word").port
    frames = read_frames(f"rtsp://admin:pa55word@127.0.0.1:{port}/live", OPTIONS)
    assert next(frames).pixels.shape == (48, 64, 3)
    frames.close()
    with pytest.raises(SourceAccessError, match="refused the credentials") as caught:
        next(read_frames(f"rtsp://admin:wr0ng@127.0.0.1:{port}/live", OPTIONS))
    assert "wr0ng" not in str(caught.value)


def test_a_path_that_is_not_there(serve: Callable[..., Server], film: Path):
    with pytest.raises(SourceMissingError, match="does not exist on that host"):
        next(read_frames(f"rtsp://127.0.0.1:{serve(film).port}/other", OPTIONS))


def test_a_camera_that_is_switched_off_is_read_again(serve: Callable[..., Server], film: Path):
    """It plays 5.5 s and closes; the camera connects anew, a session each, and never ends."""
    url = f"rtsp://127.0.0.1:{serve(film).port}/live"
    bus, registry = MemoryBus(), CollectorRegistry()
    settings = CameraSettings(url, OPTIONS, back_off=BackOffSettings(0.1, 0.2))
    stop = threading.Event()
    camera = Camera(settings, bus, StreamerMetrics(registry))
    running = threading.Thread(target=camera.run, args=(stop,))
    running.start()
    reader, clips = bus.subscribe(CLIPS.name, "g"), list[Clip]()
    deadline = time.monotonic() + 60
    while len({clip.session for clip in clips}) < 2 and time.monotonic() < deadline:
        clips += [unpack_clip(record.value or b"") for record in reader.poll(1.0)]
        reader.commit()
    stop.set()
    running.join(20)
    assert not running.is_alive()
    sessions = sorted({clip.session for clip in clips})
    assert len(sessions) >= 2
    first = [clip.index for clip in clips if clip.session == sessions[0]]
    assert first == list(range(len(first)))
    assert registry.get_sample_value(
        "watchword_stream_reconnects_total", {"camera": "yard", "reason": "eof"}
    )


def test_a_registered_camera_with_a_password(
    serve: Callable[..., Server], film: Path, caplog: pytest.LogCaptureFixture
):
    """From the URL that somebody types to pictures: what lies between never holds the secret."""
    home = AddressPolicy(loopback=True, private=True)
    typed = f"rtsp://admin:pa55%2Fw%40rd@127.0.0.1:{serve(film, 'admin', 'pa55/w@rd').port}/live"
    registration = CameraRegistration((), home, seal=lambda text: text.encode().hex())
    source, credentials = registration.prepare(typed)
    right = CameraRecord(camera_id="yard", source=source, credentials=credentials)
    wrong = msgspec.structs.replace(right, camera_id="gate", credentials=None)
    assert "pa55" not in pack_camera(right).decode()

    bus = MemoryBus()
    config = StreamerPartConfig(
        clip_format=SMALL, address_policy=home, unseal=lambda text: bytes.fromhex(text).decode()
    )
    fleet = Fleet(config, bus, StreamerMetrics(CollectorRegistry()), read_frames)
    healths: dict[str, list[str]] = {"yard": [], "gate": []}
    reader, told = bus.subscribe(CLIPS.name, "g"), bus.subscribe(HEALTH.name)
    fleet.apply(right)
    fleet.apply(wrong)
    clips, deadline = list[Clip](), time.monotonic() + 60
    while not (clips and "refused the credentials" in str(healths["gate"])):
        assert time.monotonic() < deadline, healths
        clips += [unpack_clip(record.value or b"") for record in reader.poll(0.2)]
        reader.commit()
        for record in told.poll(0.2):
            healths[record.key].append((record.value or b"").decode())
    fleet.stop()
    bus.close()
    assert {clip.camera_id for clip in clips} == {"yard"}
    assert "pa55" not in str(healths) + caplog.text
