"""The alert stream behind the real server: real sockets, and an end that nobody holds up."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

from deploy.http.server import HttpServer, bind
from grounding.alert_stream import AlertStream, AlertStreamOptions
from grounding.routes.alert_stream import stream_routes
from tests.grounding.alert_shelf import AlertShelf, alert
from tests.grounding.test_alert_stream import value

PATIENCE = 60.0


@dataclass
class Served:
    shelf: AlertShelf
    stream: AlertStream
    port: int
    end: threading.Event
    thread: threading.Thread

    def close(self) -> None:
        self.stream.close()
        self.end.set()
        self.thread.join(PATIENCE)


@contextmanager
def serving(options: AlertStreamOptions) -> Iterator[Served]:
    shelf = AlertShelf()
    stream = AlertStream(shelf, options)
    shelf.listen(stream.notify)
    app = FastAPI()
    app.include_router(stream_routes(stream))
    with bind("127.0.0.1", 0) as listener:
        server, end = HttpServer(app, listener, drain_seconds=30.0), threading.Event()
        thread = threading.Thread(target=server.run, args=(end,))
        thread.start()
        served = Served(shelf, stream, listener.getsockname()[1], end, thread)
        try:
            yield served
        finally:
            served.close()


def until(what) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_followers_read_to_the_end_of_a_server_that_stops() -> None:
    with serving(AlertStreamOptions()) as served:
        url = f"http://127.0.0.1:{served.port}/v1/alerts/stream"
        timeout = httpx.Timeout(PATIENCE)
        with httpx.stream("GET", url, timeout=timeout, trust_env=False) as response:
            lines = response.iter_lines()
            assert next(lines).startswith(":")
            ids = served.shelf.write(alert(0), alert(1))
            stopping = threading.Thread(target=served.close)
            told = [line.removeprefix("id: ") for line in _first(lines, 2)]
            stopping.start()
            assert list(lines)[-1:] in ([], [""])  # a whole response: httpx raises for half a one
            stopping.join()
        assert told == ids
        assert not served.thread.is_alive()


def _first(lines: Iterator[str], count: int) -> list[str]:
    """The next ids."""
    found: list[str] = []
    while len(found) < count:
        line = next(lines)
        found += [line] if line.startswith("id: ") else []
    return found


def test_a_follower_that_leaves_is_noticed_before_anything_is_told() -> None:
    with serving(AlertStreamOptions(keep_alive_seconds=PATIENCE)) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            client.sendall(b"GET /v1/alerts/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            until(lambda: value("watchword_stream_followers") == 1)
        until(lambda: value("watchword_stream_followers") == 0)


def test_one_that_never_reads_is_dropped_and_does_not_keep_the_server() -> None:
    before = value("watchword_stream_followers_dropped_total")
    options = AlertStreamOptions(buffer=4, linger_seconds=0.05)
    with serving(options) as served, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", served.port))
        client.sendall(b"GET /v1/alerts/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: value("watchword_stream_followers") == 1)
        long, number = "a car " * 20_000, 0
        while value("watchword_stream_followers_dropped_total") == before:
            served.shelf.write(alert(number, query=long))
            number += 1
            time.sleep(0.002)
        until(lambda: value("watchword_stream_followers") == 0)
        client.close()
        served.close()
        assert not served.thread.is_alive()
