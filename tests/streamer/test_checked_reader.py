"""What a registered camera reads: its secret put in, its way checked at every opening."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer.address_policy import AddressPolicy
from streamer.camera_record import CameraRecord, Credentials
from streamer.checked_reader import MOST_REDIRECTS, CheckedReader
from streamer.config import ReadOptions, StreamerPartConfig
from streamer.connection import ReadFrames
from streamer.errors import (
    AddressRefusedError,
    SourceAccessError,
    SourceAddressError,
    SourceError,
    SourceLostError,
    SourceRefusedError,
    SourceUnknownHostError,
)
from streamer.frame import Frame
from streamer.source import read_frames
from streamer.source_facts import ReadTally
from tests.streamer.media import SMALL, Video, read_number, write_video
from tests.streamer.script import Script, steady

OPTIONS = ReadOptions("yard", SMALL, open_timeout_seconds=30.0, read_timeout_seconds=30.0)
HERE = AddressPolicy(loopback=True, private=False)
ELSEWHERE = AddressPolicy(loopback=False, private=False)


class Spy:
    """Notes what is opened, and lets a script play."""

    def __init__(self, *acts: tuple[list[Frame], Exception | None]) -> None:
        self.opened: list[str] = []
        self.script = Script(*acts)

    def __call__(
        self, source: str, options: ReadOptions, tally: ReadTally | None = None
    ) -> Iterator[Frame]:
        self.opened.append(source)
        return self.script(source, options, tally)


def read(
    source: str,
    play: ReadFrames = read_frames,
    policy: AddressPolicy = HERE,
    credentials: Credentials | None = None,
    **options: object,
) -> list[Frame]:
    record = CameraRecord(
        camera_id="yard",
        source=source,
        credentials=credentials,
        declared=bool(options.get("declared")),
    )
    config = StreamerPartConfig(
        clip_format=SMALL,
        address_policy=policy,
        file_roots=(Path(str(options.get("root", "/nowhere"))),),
        unseal=lambda text: text[::-1],
        environ={},
        open_timeout_seconds=30.0,
    )
    return list(CheckedReader(record, config, play)(source, OPTIONS))


@pytest.mark.parametrize(
    ("sub_source", "opened"),
    [
        ("rtsp://127.0.0.1/small", "rtsp://admin:p%40ss@127.0.0.1/small"),
        ("rtsp://127.0.0.1:8554/small", "rtsp://127.0.0.1:8554/small"),
        ("http://127.0.0.1/small", "http://127.0.0.1/small"),
    ],
)
def test_the_second_source_is_looked_at_and_the_secret_goes_nowhere_else(
    sub_source: str, opened: str
):
    spy = Spy((steady(2), None))
    record = CameraRecord(
        camera_id="yard",
        source="rtsp://127.0.0.1/live",
        sub_source=sub_source,
        credentials=Credentials(sealed="ss@p:nimda"),
    )
    config = StreamerPartConfig(
        clip_format=SMALL, address_policy=HERE, unseal=lambda text: text[::-1]
    )
    assert len(list(CheckedReader(record, config, spy)(record.source, OPTIONS))) == 2
    assert spy.opened == [opened]


def test_the_secret_is_put_in():
    spy = Spy((steady(2), None))
    frames = read("rtsp://127.0.0.1/live", spy, credentials=Credentials(sealed="ss@p:nimda"))
    assert len(frames) == 2
    assert spy.opened == ["rtsp://admin:p%40ss@127.0.0.1/live"]
    assert not spy.script.options[0].follow_redirects


def test_a_secret_that_is_missing_is_an_access_error():
    with pytest.raises(SourceAccessError):
        read("rtsp://127.0.0.1/", Spy(), credentials=Credentials(environment="WATCHWORD_CAMERA_X"))


def test_a_refused_host_is_not_opened():
    spy = Spy()
    with pytest.raises(AddressRefusedError, match="loopback"):
        read("rtsp://127.0.0.1/live", spy, ELSEWHERE)
    assert spy.opened == []


def test_a_host_that_does_not_resolve_is_not_opened():
    with pytest.raises(SourceUnknownHostError):
        read("rtsp://camera.invalid/live", Spy())


def test_a_file_is_checked_again_and_opened_as_it_is(tmp_path: Path):
    (tmp_path / "a.mp4").touch()
    spy = Spy((steady(1), None))
    assert read(f"{tmp_path}/a.mp4", spy, root=tmp_path)
    (tmp_path / "a.mp4").unlink()
    (tmp_path / "a.mp4").symlink_to("/etc/hostname")
    with pytest.raises(AddressRefusedError):
        read(f"{tmp_path}/a.mp4", spy, root=tmp_path)
    assert spy.opened == [f"{tmp_path}/a.mp4"]


def test_a_declared_file_may_lie_anywhere(tmp_path: Path):
    assert read(f"{tmp_path}/a.mp4", Spy((steady(1), None)), declared=True)


@pytest.mark.parametrize("error", [SourceLostError("lost"), SourceRefusedError("refused")])
def test_what_is_explained_is_no_redirect(error: SourceError):
    with pytest.raises(type(error)):
        read("http://127.0.0.1:1/", Spy(([], error)))


# -- a real server ------------------------------------------------------------------------------


class Web(http.server.SimpleHTTPRequestHandler):
    """/N/X is N redirects from /X; /away leads where this server may not go."""

    def do_GET(self) -> None:
        count, _, rest = self.path[1:].partition("/")
        if self.path == "/away":
            self.lead("http://169.254.169.254/latest")
        elif count.isdigit():
            self.lead(f"/{int(count) - 1}/{rest}" if count != "1" else f"/{rest}")
        else:
            super().do_GET()

    def lead(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("web")
    write_video(folder / "a.mp4", Video(), 12)
    make: Callable[..., Web] = lambda *args: Web(*args, directory=str(folder))  # noqa: E731
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), make) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["a.mp4", f"{MOST_REDIRECTS}/a.mp4"])
def test_a_film_over_http_and_at_the_end_of_redirects(web: str, path: str):
    assert [read_number(frame.pixels) for frame in read(f"{web}/{path}")] == list(range(12))


def test_a_redirect_to_where_it_may_not_go(web: str):
    with pytest.raises(AddressRefusedError, match=r"169\.254\.169\.254"):
        read(f"{web}/away")


def test_too_many_redirects(web: str):
    with pytest.raises(SourceAddressError, match="redirects more than"):
        read(f"{web}/{MOST_REDIRECTS + 1}/a.mp4")


def test_ffmpeg_follows_no_redirect_itself(web: str):
    """Should a build of FFmpeg lack the option, the checks would be in vain."""
    options = ReadOptions("yard", SMALL, follow_redirects=False)
    with pytest.raises(SourceError, match="input/output error"):
        next(read_frames(f"{web}/1/a.mp4", options))
