"""Following HTTP redirects, from a server on the loopback."""

import http.server
import threading
from base64 import b64encode
from collections.abc import Iterator

import pytest

from streamer.camera_url import CameraUrl
from streamer.errors import SourceAddressError
from streamer.redirect import find_redirect

BASIC = "Basic " + b64encode(b"u:p@ss").decode()


class Signpost(http.server.BaseHTTPRequestHandler):
    """Redirects /to/X to X; below /basic and /digest only those who say who they are."""

    def do_GET(self) -> None:
        scheme, _, location = self.path.removeprefix("/").partition("/")
        said = self.headers.get("Authorization", "")
        wanted = {"basic": said == BASIC, "digest": said.startswith("Digest username=")}
        if scheme == "plain":
            self.answer(200)
        elif wanted.get(scheme, True):
            self.answer(302, ("Location", location))
        else:
            qop = 'Digest realm="r", nonce="n", qop="auth"' if scheme == "digest" else "Basic"
            self.answer(401, ("WWW-Authenticate", qop))

    def answer(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", "0")):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Signpost) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def follow(url: str) -> CameraUrl | None:
    return find_redirect(CameraUrl.parse(url), 30.0)


def test_where_it_leads(place: str):
    found = follow(f"http://{place}/to/http://other:81/live")
    assert found == CameraUrl.parse("http://other:81/live")


def test_nowhere(place: str):
    assert follow(f"http://{place}/plain/x") is None


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_behind_a_password(place: str, scheme: str):
    found = follow(f"http://u:p%40ss@{place}/{scheme}//live")
    assert found == CameraUrl.parse(f"http://u:p%40ss@{place}/live")


@pytest.mark.parametrize("user", ["", "u:wrong@"])
def test_without_the_password_it_leads_nowhere(place: str, user: str):
    assert follow(f"http://{user}{place}/basic/http://other/") is None


@pytest.mark.parametrize("location", ["file:///etc/hostname", "rtsp://other/"])
def test_it_must_lead_to_http(place: str, location: str):
    with pytest.raises(SourceAddressError, match="redirects to"):
        follow(f"http://{place}/to/{location}")


def test_somebody_who_does_not_answer():
    assert follow("http://127.0.0.1:1/") is None
