"""The stream's route, asked as a server asks it: what a client reads, and when it is let go."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from grounding.alert_stream import OPENING, AlertStream, AlertStreamOptions
from grounding.routes.alert_stream import stream_routes
from tests.grounding.alert_shelf import AlertShelf, alert
from tests.grounding.test_alert_stream import in_loop, until, value

WARY = AlertStreamOptions(buffer=2, linger_seconds=0.01)


class Client:
    """An ASGI server's side of one request."""

    def __init__(self, app: FastAPI, query: str = "", **headers: str) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        self.reads = asyncio.Event()
        self.reads.set()
        self._left = asyncio.Event()
        self._asked = False
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/alerts/stream",
            "raw_path": b"/v1/alerts/stream",
            "root_path": "",
            "query_string": query.encode(),
            "headers": [
                (name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()
            ],
        }
        self.task = asyncio.create_task(app(self._scope, self._receive, self._send))

    @property
    def ids(self) -> list[str]:
        lines = self.body.decode().splitlines()
        return [line.removeprefix("id: ") for line in lines if line.startswith("id: ")]

    def leave(self) -> None:
        self._left.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): text.decode() for name, text in message["headers"]}
        else:
            self.body += message["body"]
            self.complete = not message.get("more_body", False)


def served(options: AlertStreamOptions | None = None) -> tuple[AlertShelf, AlertStream, FastAPI]:
    shelf = AlertShelf()
    stream = AlertStream(shelf, options)
    shelf.listen(stream.notify)
    app = FastAPI()
    app.include_router(stream_routes(stream))
    return shelf, stream, app


def followers() -> float:
    return value("watchword_stream_followers")


async def opened(client: Client) -> None:
    await until(lambda: client.body.startswith(OPENING))


@in_loop
async def test_a_client_follows_until_it_leaves() -> None:
    shelf, _, app = served()
    client = Client(app)
    await opened(client)
    assert client.status == 200
    assert client.headers["content-type"].startswith("text/event-stream")
    assert "no-store" in client.headers["cache-control"]
    assert "content-length" not in client.headers
    assert followers() == 1
    ids = shelf.write(alert(0))
    await until(lambda: client.ids == ids)
    client.leave()
    await client.task
    assert followers() == 0


@pytest.mark.parametrize("way", ["header", "query", "both"])
def test_it_resumes_by_the_last_event_it_names(way: str) -> None:
    @in_loop
    async def resume() -> None:
        shelf, stream, app = served()
        ids = shelf.write(alert(0), alert(1), alert(2))
        match way:
            case "header":
                client = Client(app, last_event_id=ids[0])
            case "query":
                client = Client(app, f"last_event_id={ids[0]}")
            case _:  # the header, which a browser sends, knows better than the address
                client = Client(app, f"last_event_id={ids[1]}", last_event_id=ids[0])
        await until(lambda: client.ids == ids[1:])
        stream.close()
        await client.task

    resume()


@in_loop
async def test_an_empty_id_is_none() -> None:
    shelf, stream, app = served()
    shelf.write(alert(0))
    client = Client(app, last_event_id="")
    await opened(client)
    ids = shelf.write(alert(1))
    await until(lambda: client.ids != [])
    assert client.ids == ids
    stream.close()
    await client.task


@in_loop
async def test_filters() -> None:
    shelf, stream, app = served()
    query = "query=q0&query=q9&camera=yard&state=closed&state=updated&last_event_id=first"
    client = Client(app, query)
    await opened(client)
    shelf.write(alert(0), alert(1, camera_id="gate", state="closed"))
    ids = shelf.write(alert(0, revision=2, state="closed"))
    await until(lambda: client.ids == ids)
    stream.close()
    await client.task


@pytest.mark.parametrize("query", ["state=open", "camra=yard", "camera=a%0ab"])
def test_a_filter_that_cannot_be_meant_is_refused(query: str) -> None:
    @in_loop
    async def ask() -> None:
        client = Client(served()[2], query)
        await client.task
        assert client.status == 422
        assert followers() == 0

    ask()


@in_loop
async def test_closing_the_stream_completes_the_response() -> None:
    shelf, stream, app = served()
    clients = [Client(app) for _ in range(3)]
    for client in clients:
        await opened(client)
    ids = shelf.write(alert(0))
    await until(lambda: all(client.ids == ids for client in clients))
    await asyncio.to_thread(stream.close)
    await asyncio.gather(*(client.task for client in clients))
    assert all(client.complete for client in clients)
    assert followers() == 0


@in_loop
async def test_a_client_that_reads_nothing_any_more_is_let_go() -> None:
    shelf, _, app = served(WARY)
    client = Client(app)
    await opened(client)
    dropped = value("watchword_stream_followers_dropped_total")
    client.reads.clear()
    for number in range(9):
        shelf.write(alert(number))
        await asyncio.sleep(0.001)
    await client.task
    assert not client.complete
    assert value("watchword_stream_followers_dropped_total") == dropped + 1
    assert followers() == 0


@pytest.mark.parametrize(
    "end", [lambda stream, _: stream.close(), lambda _, client: client.leave()]
)
def test_one_that_reads_nothing_holds_up_no_end(end: Callable[..., None]) -> None:
    @in_loop
    async def hang() -> None:
        shelf, stream, app = served(WARY)
        client = Client(app)
        await opened(client)
        client.reads.clear()
        shelf.write(alert(0))
        end(stream, client)
        await client.task
        assert not client.complete
        assert followers() == 0

    hang()


@in_loop
async def test_one_that_reads_again_in_time_is_told_the_end() -> None:
    shelf, _, app = served(AlertStreamOptions(buffer=2, linger_seconds=60.0))
    client = Client(app)
    await opened(client)
    dropped = value("watchword_stream_followers_dropped_total")
    client.reads.clear()
    ids: list[str] = []
    while value("watchword_stream_followers_dropped_total") == dropped:
        ids += shelf.write(alert(len(ids)))
        await asyncio.sleep(0.001)
    client.reads.set()
    await client.task
    assert client.complete
    assert client.ids == ids[: len(client.ids)]  # it resumes after what it was told


@in_loop
async def test_a_server_that_cancels_the_request_leaves_nothing_behind() -> None:
    _, _, app = served()
    before = asyncio.all_tasks()
    client = Client(app)
    await opened(client)
    client.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.task
    assert followers() == 0
    await until(lambda: asyncio.all_tasks() == before)
