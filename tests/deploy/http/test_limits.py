"""A body that is too long is refused before it is read."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from deploy.http.limits import BodyLimit, HttpLimits
from tests.deploy.http.world import World, check_problem

JSON = {"Content-Type": "application/json"}
LIMIT = 1000


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with world.client(limits=HttpLimits(max_body_bytes=LIMIT)) as client:
        yield client


def test_a_body_of_just_the_limit_is_read(client: TestClient) -> None:
    body = b'{"text": "a red car"}'.ljust(LIMIT)
    assert client.post("/v1/queries", content=body, headers=JSON).status_code == 201
    answer = client.post("/v1/queries", content=body + b" ", headers=JSON)
    check_problem(answer, 413, "1000 bytes")
    assert answer.headers["connection"] == "close"


def test_a_body_in_pieces_is_counted(client: TestClient) -> None:
    answer = client.post("/v1/queries", content=iter([b" " * 400] * 3), headers=JSON)
    check_problem(answer, 413)


def scope_of(*lengths: bytes) -> dict[str, Any]:
    headers = [(b"content-length", length) for length in lengths]
    return {"type": "http", "method": "POST", "path": "/", "headers": headers}


@pytest.mark.parametrize("lengths", [(b"1001",), (b"5", b"1001"), (b"9" * 5000,)])
def test_an_announced_body_is_not_touched(lengths: tuple[bytes, ...]) -> None:
    sent: list[Any] = []

    async def untouched(*_: object) -> Any:
        raise AssertionError("neither the app nor the body is asked")

    async def send(message: Any) -> None:
        sent.append(message)

    limited = BodyLimit(untouched, HttpLimits(LIMIT))
    asyncio.run(limited(scope_of(*lengths), untouched, send))
    assert sent[0]["status"] == 413


def test_an_endless_body_is_let_go_at_the_limit(world: World) -> None:
    pieces, sent = [], []

    async def receive() -> Any:
        pieces.append(1)
        return {"type": "http.request", "body": b" " * 300, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = scope_of() | {
        "path": "/v1/queries",
        "headers": headers,
        "query_string": b"",
        "http_version": "1.1",
    }
    asyncio.run(world.app(limits=HttpLimits(LIMIT))(scope, receive, send))
    assert sent[0]["status"] == 413
    assert len(pieces) == 4
