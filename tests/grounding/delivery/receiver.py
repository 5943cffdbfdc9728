"""A subscriber: a real web server on loopback that answers as its script says."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Hears messages; `answers` are used up in order, the last one stays."""

    def __init__(self, *answers: Callable[["Exchange"], None]) -> None:
        self.received: list[Received] = []
        self.url = ""
        self.ending = threading.Event()  # what hangs ends with the test
        self._answers = list(answers) or [status(200)]
        self._changed = threading.Condition()

    def take(self, request: Received) -> Callable[["Exchange"], None]:
        """Note the request; returns how it is answered."""
        with self._changed:
            self.received.append(request)
            self._changed.notify_all()
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def wait_for(self, count: int) -> list[Received]:
        """What came, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, timeout=60)
            return list(self.received)


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    receiver: ClassVar[Receiver]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self.receiver.take(Received(self.path, headers, body))(self)
        except OSError:  # the sender hung up, as it should
            self.close_connection = True

    def do_GET(self) -> None:
        raise AssertionError("a webhook is posted to")

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def answer(self, code: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def status(code: int, **headers: str) -> Callable[[Exchange], None]:
    """Answers with the status; `_` in a header's name is `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.answer(code, named, b"thank you")


def never(exchange: Exchange) -> None:
    """Takes the request and says nothing."""
    exchange.receiver.ending.wait()


def hang_up(exchange: Exchange) -> None:
    """Takes the request and closes the connection."""
    exchange.close_connection = True


def babble(exchange: Exchange) -> None:
    """Speaks, but not HTTP."""
    exchange.wfile.write(b"220 mail.example ESMTP\r\n")


def drip(*beginning: bytes) -> Callable[[Exchange], None]:
    """Says the beginning, then one byte after another for ever."""

    def answer(exchange: Exchange) -> None:
        exchange.wfile.write(b"".join(beginning))
        while not exchange.receiver.ending.wait(0.01):
            exchange.wfile.write(b"x")

    return answer


def flood(exchange: Exchange) -> None:
    """Accepts, and then says more than anybody wants to hear."""
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    while not exchange.receiver.ending.is_set():
        exchange.wfile.write(bytes(65536))


@contextmanager
def listening(
    *answers: Callable[[Exchange], None],
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Receiver]:
    """A receiver that listens while the block runs."""
    receiver = Receiver(*answers)
    exchange = type("ItsExchange", (Exchange,), {"receiver": receiver})
    with _Server((host, port), exchange) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        receiver.url = f"{scheme}://{host}:{server.server_address[1]}/hook?key=sesame"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.ending.set()
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # HTTPServer would look its own name up, which may take seconds
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "receiver", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a sender that hangs up in the middle of TLS is no news
