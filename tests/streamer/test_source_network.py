"""Reading over the network, from servers on the loopback."""

import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from streamer.config import ReadOptions
from streamer.errors import (
    NotAVideoError,
    SourceAccessError,
    SourceError,
    SourceMissingError,
    SourceRefusedError,
    SourceStalledError,
    SourceTimeoutError,
    SourceUnknownHostError,
    UnsupportedSourceError,
)
from streamer.frame import Frame
from streamer.source import probe, read_frames
from tests.streamer.media import SMALL, START, Video, read_number, write_video

OPTIONS = ReadOptions("yard", SMALL, open_timeout_seconds=30.0, read_timeout_seconds=30.0)
BRIEF = replace(OPTIONS, open_timeout_seconds=1.0, read_timeout_seconds=1.0)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that wants a password below /private and redirects /to-file to a file."""

    def do_GET(self) -> None:
        if self.path.startswith("/private") and "Authorization" not in self.headers:
            self.send_error(401)
        elif self.path == "/to-file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))
    )
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a server that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_file_over_http_is_a_file(web: str, tmp_path: Path):
    write_video(tmp_path / "a.mp4", Video(), 25)
    frames = list(read_frames(f"{web}/a.mp4", OPTIONS))
    assert [read_number(frame.pixels) for frame in frames] == list(range(25))
    assert frames[0].at == START
    assert frames[0].clock_source == "file"
    assert not probe(f"{web}/a.mp4", OPTIONS).live


def test_hls_is_read_from_its_playlist(web: str, tmp_path: Path):
    write_video(tmp_path / "a.ts", Video(container="mpegts"), 20)
    (tmp_path / "live.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\na.ts\n#EXT-X-ENDLIST\n"
    )
    frames = list(read_frames(f"{web}/live.m3u8", OPTIONS))
    assert [read_number(frame.pixels) for frame in frames] == list(range(20))


def test_a_playlist_cannot_reach_files(web: str, tmp_path: Path):
    secret = write_video(tmp_path / "secret.ts", Video(container="mpegts"), 20)
    (tmp_path / "live.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nfile://{secret}\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(SourceError):
        list(read_frames(f"{web}/live.m3u8", OPTIONS))


def test_a_redirect_cannot_reach_files(web: str):
    with pytest.raises(SourceError):
        list(read_frames(f"{web}/to-file", OPTIONS))


def test_a_page_that_is_no_video(web: str, tmp_path: Path):
    (tmp_path / "index.html").write_text("<html>hello</html>" * 50)
    with pytest.raises(NotAVideoError):
        list(read_frames(f"{web}/index.html", OPTIONS))


def test_a_missing_page(web: str):
    with pytest.raises(SourceMissingError, match="does not exist on that host"):
        list(read_frames(f"{web}/none.mp4", OPTIONS))


def test_wrong_credentials_are_not_shown(web: str):
    with pytest.raises(SourceAccessError, match="refused the credentials") as caught:
        list(read_frames(f"{web}/private/a.mp4?token=pa55word", OPTIONS))
    assert "pa55word" not in str(caught.value)
    assert caught.value.reason == "auth"


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_nobody_listens(scheme: str, closed: int):
    with pytest.raises(SourceRefusedError, match="refused the connection"):
        list(read_frames(f"{scheme}://127.0.0.1:{closed}/live", OPTIONS))


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_an_unknown_host(scheme: str):
    with pytest.raises(SourceUnknownHostError, match="does not resolve") as caught:
        list(read_frames(f"{scheme}://admin:pa55word@camera.invalid/live", OPTIONS))
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_a_server_that_says_nothing(scheme: str, deaf: int):
    with pytest.raises(SourceTimeoutError, match="did not answer in time"):
        list(read_frames(f"{scheme}://127.0.0.1:{deaf}/live", BRIEF))


def test_nothing_comes_by_udp(closed: int):
    with pytest.raises(SourceTimeoutError):
        list(read_frames(f"udp://127.0.0.1:{closed}", BRIEF))


def test_a_stream_by_udp_that_falls_silent(closed: int, tmp_path: Path):
    path = write_video(tmp_path / "a.ts", Video(container="mpegts", key_frame_every=5), 120)
    content = path.read_bytes()
    done = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not done.is_set():  # whoever opens the port late has missed what came before
                for at in range(0, len(content), 1316):
                    sender.sendto(content[at : at + 1316], ("127.0.0.1", closed))
                    if done.wait(0.01):
                        return

    sending = threading.Thread(target=send)
    options = replace(OPTIONS, open_timeout_seconds=10.0, read_timeout_seconds=2.0)
    sending.start()
    frames: list[Frame] = []

    def read() -> None:
        for frame in read_frames(f"udp://127.0.0.1:{closed}", options):
            frames.append(frame)
            if len(frames) == 20:
                done.set()

    try:
        with pytest.raises(SourceStalledError, match="stopped sending"):
            read()
    finally:
        done.set()
        sending.join()
    assert frames
    assert {frame.clock_source for frame in frames} == {"arrival"}


def test_a_protocol_this_ffmpeg_may_lack_is_an_error_either_way(closed: int):
    with pytest.raises(SourceError) as caught:
        list(read_frames(f"srt://127.0.0.1:{closed}", OPTIONS))
    lacking = isinstance(caught.value, UnsupportedSourceError)
    assert lacking == ("relay it as RTSP" in str(caught.value))
