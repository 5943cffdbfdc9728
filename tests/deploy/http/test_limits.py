"""A body that is too long is refused, and never kept."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from deploy.http import limits
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


async def untouched(*_: object) -> Any:
    raise AssertionError("neither the app nor the body is asked")


async def answered(scope: dict[str, Any], receive: Any) -> int:
    """The status the middleware answers with by itself."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await BodyLimit(untouched, HttpLimits(LIMIT))(scope, receive, send)
    return sent[0]["status"]


def pieces_of(count: int, taken: list[int]) -> Any:
    """`receive` of a body of `count` pieces of 300 bytes, noting in `taken` what was taken."""

    async def receive() -> Any:
        taken.append(300)
        more = len(taken) < count
        return {"type": "http.request", "body": b" " * 300, "more_body": more}

    return receive


@pytest.mark.parametrize("lengths", [(b"16001",), (b"5", b"16001"), (b"9" * 5000,)])
def test_an_announced_body_far_too_long_is_not_touched(lengths: tuple[bytes, ...]) -> None:
    assert asyncio.run(answered(scope_of(*lengths), untouched)) == 413


def test_a_client_that_asks_first_is_answered_at_once() -> None:
    scope = scope_of(b"1200")
    scope["headers"].append((b"expect", b"100-continue"))
    assert asyncio.run(answered(scope, untouched)) == 413


def test_what_is_a_little_too_long_is_thrown_away_first() -> None:
    taken: list[int] = []
    assert asyncio.run(answered(scope_of(b"1200"), pieces_of(4, taken))) == 413
    assert sum(taken) == 1200


def test_a_body_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DISCARD_SECONDS", 0.01)

    async def never() -> Any:
        await asyncio.Event().wait()

    assert asyncio.run(answered(scope_of(b"1200"), never)) == 413


def test_an_endless_body_is_let_go_at_sixteen_times_the_limit(world: World) -> None:
    taken: list[int] = []
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = scope_of() | {
        "path": "/v1/queries",
        "headers": headers,
        "query_string": b"",
        "http_version": "1.1",
    }
    app = world.app(limits=HttpLimits(LIMIT))
    asyncio.run(app(scope, pieces_of(10**9, taken), send))
    assert sent[0]["status"] == 413
    assert 15 * LIMIT <= sum(taken) <= 17 * LIMIT
