"""The measurements of many cameras, and of cameras that break."""

import dataclasses
import http.server
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import av
import numpy as np
import pytest

from deploy.bench import faulty_camera
from deploy.bench.camera_decoder import Work, read_work
from deploy.bench.camera_film import write_camera_film, write_turns
from deploy.bench.faulty_camera import Fault, FaultyLine
from deploy.bench.many_cameras import CAMERA, MODES, bench_many_cameras, ffmpeg_command
from deploy.bench.scene import SceneOptions
from deploy.bench.soak import SoakOptions, _memory_figures, bench_soak
from deploy.bench.watched_time import WatchedTime
from streamer.clip import Clip, ClipFormat
from streamer.config import Decode
from streamer.decode_plan import DecodePlan
from tests.streamer.media import START

TINY = SceneOptions(width=64, height=48, seconds=2.0, bits_per_second=100_000, movers=1)
FORMAT = ClipFormat(frames=4, width=32, height=24)
BODY = bytes(range(256)) * 4000


def test_work_travels_on_a_command_line():
    work = Work("/a b.mp4", "nonref", 3, FORMAT)
    assert read_work(work.as_json()) == work


@pytest.mark.parametrize("mode", MODES)
def test_ffmpeg_does_the_same_work(mode: str):
    command = " ".join(ffmpeg_command(Work("film.mp4", mode, 1, FORMAT)))  # type: ignore[arg-type]
    assert "scale=32:24:flags=area,format=rgb24" in command
    assert ("fps=4/2" in command) == (mode != "keyframes")
    assert ("-skip_frame" in command) == (mode != "all")
    assert "-threads 1" in command


def test_auto_comes_to_what_ffmpeg_is_told_of_it(tmp_path: Path):
    """Which key frames, every 2 s as in the bench's film, decide."""
    write_camera_film(tmp_path / "film.mp4", SceneOptions(width=64, height=48, seconds=10.0))
    with av.open(str(tmp_path / "film.mp4")) as film:
        stream = film.streams.video[0]
        extradata = stream.codec_context.extradata
        plan = DecodePlan("auto", FORMAT, "h264", extradata)
        for packet in film.demux(stream):
            if packet.size:
                seconds = float(packet.pts * stream.time_base)
                plan.judge(seconds, packet.is_keyframe, bytes(packet))
    assert plan.keyframe_seconds == 2.0
    assert plan.in_use == "nonref"
    commands = [ffmpeg_command(Work("film.mp4", mode, 1, FORMAT)) for mode in ("auto", "nonref")]
    assert commands[0] == commands[1]


def test_a_film_of_several_turns_goes_on(tmp_path: Path):
    film, longer = tmp_path / "film.mp4", tmp_path / "longer.mp4"
    write_camera_film(film, TINY)
    write_turns(film, longer, 3)
    with av.open(str(longer)) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert len(times) == 150
    assert np.diff(times) == pytest.approx(1 / 25, abs=1e-3)


def test_many_cameras_of_a_tiny_film(tmp_path: Path):
    figures = {one.name: one.value for one in bench_many_cameras(tmp_path, FORMAT, 1, TINY)}
    for mode in get_args(Decode):
        assert figures[f"decode {mode}: cameras of 48p25"] > 0
    assert [name for name in figures if "memory" in name] == [
        "memory of a camera of 48p25, decode auto"
    ]
    assert CAMERA.height == 1080


class Served:
    """A body for whoever asks, by HTTP."""

    def __init__(self) -> None:
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(BODY)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def line() -> Iterator[FaultyLine]:
    served = Served()
    line = FaultyLine(served.server.server_port)
    yield line
    line.close()
    served.server.shutdown()
    served.server.server_close()


def get(line: FaultyLine) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{line.port}/0", timeout=10) as answer:
        return bytes(answer.read())


def test_a_line_without_a_fault_hands_on(line: FaultyLine):
    assert get(line) == BODY


@pytest.mark.parametrize("fault", ["garbage", "stall"])
def test_a_fault_harms_one_piece(line: FaultyLine, fault: Fault, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faulty_camera, "STALL_SECONDS", 0.01)
    line.inject(fault)
    with socket.create_connection(("127.0.0.1", line.port), timeout=10) as viewer:
        viewer.sendall(b"GET /0 HTTP/1.0\r\n\r\n")
        came = b"".join(iter(lambda: viewer.recv(65536), b""))
    assert came.startswith(b"HTTP/") == (fault == "stall")
    assert get(line) == BODY, "it is well again"


def test_a_line_is_cut_and_refused_and_well_again(
    line: FaultyLine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(faulty_camera, "REFUSE_SECONDS", 3600.0)  # until it is mended by hand
    line.inject("refuse")
    for _ in range(2):
        with pytest.raises(OSError):  # noqa: PT011 - reset, or closed without an answer
            get(line)
    line.mend()
    assert get(line) == BODY
    line.inject("drop")
    assert get(line) == BODY


def clip(start: float, session: int, index: int, **fields: float) -> Clip:
    whole = Clip("yard", session, index, start, start + 2, start + 2, np.zeros(0, np.uint8), "rtp")
    return dataclasses.replace(whole, **fields)


def test_every_second_is_seen_or_told():
    watched = WatchedTime()
    first = round(START * 1000)
    for one in (
        clip(START, first, 0),
        clip(START + 2, first, 1),
        clip(START + 6, first, 3, skipped=1),
        clip(START + 8, first, 4, seen_until=START + 8.5),
        clip(START + 20, first + 20_000, 0),
    ):
        watched.take(one)
    assert watched.seen_seconds == pytest.approx(2 + 2 + 2 + 0.5 + 2)
    assert watched.blind_seconds == pytest.approx(2 + 11.5)
    assert watched.untold_seconds == 0.0


def test_a_clip_that_ends_short_counts_whole_within_its_session():
    watched = WatchedTime()
    first = round(START * 1000)
    watched.take(clip(START, first, 0, seen_until=START + 1.25))
    watched.take(clip(START + 2, first, 1))
    assert watched.seen_seconds == pytest.approx(4.0)
    assert (watched.blind_seconds, watched.untold_seconds) == (0.0, 0.0)


def test_a_second_that_nobody_told_of_is_found():
    watched = WatchedTime()
    watched.take(clip(START, 1, 0))
    watched._blind["yard"].append((START + 3, START + 4))
    watched._seen["yard"].append((START + 4.5, START + 6))
    assert watched.untold_seconds == pytest.approx(1.5)


def test_memory_is_compared_after_the_beginning():
    growing = [100.0] * 120 + [200.0 + i for i in range(200)]
    (last, ratio) = _memory_figures(growing)
    assert last.value == pytest.approx(375e-6, rel=0.01)
    assert ratio.met is False
    assert [figure.met for figure in _memory_figures([9.0] * 20 + [5.0] * 20)] == [None, True]


@pytest.mark.slow
def test_a_short_soak():
    figures = {one.name: one for one in bench_soak(SoakOptions(2, 40.0, 4.0), FORMAT)}
    assert figures["clips"].value > 5
    assert figures["faults"].value >= 8
    assert figures["seconds untold"].met
