"""Whatever goes wrong is a problem, and says nothing it should not."""

import json
import logging
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from deploy.errors import StoreBusyError, StoreFullError
from deploy.http.problems import STATUSES
from tests.deploy.http.world import World, check_problem


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_what_nobody_expected_is_logged_and_not_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.store.queries.page = failing(RuntimeError("the secret is hunter2"))
    with world.client() as client:
        answer = client.get("/v1/queries")
    check_problem(answer, 500, "log")
    assert "hunter2" not in answer.text
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "'/v1/queries'" in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("error", "status"), [(StoreFullError("It is full."), 507), (StoreBusyError("Locked."), 503)]
)
def test_faults_of_the_store(error: Exception, status: int, world: World) -> None:
    world.store.queries.add = failing(error)
    with world.client() as client:
        answer = client.post("/v1/queries", json={"text": "a red car"})
    check_problem(answer, status, str(error))


def test_every_expected_error_is_a_refusal() -> None:
    assert all(400 <= status < 600 and status != 500 for status in STATUSES.values())


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/cameras", "GET, POST"),
        ("POST", "/v1/cameras/yard", "GET, PATCH, DELETE"),
        ("HEAD", "/v1/cameras", "GET, POST"),
        ("PUT", "/v1/subscriptions/aaa:test", "GET, POST, PATCH, DELETE"),
        ("TRACE", "/healthz/live", "GET"),
        ("OPTIONS", "/v1/alerts/stream", "GET"),
        ("PATCH", "/openapi.json", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_there(
    method: str, path: str, allowed: str, client: TestClient
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        check_problem(answer, 405, method)


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/v1/cameras/", "/docs", "/v1/cameras/a/b", "/" + "x" * 5000]
)
def test_a_path_that_is_not_there(path: str, client: TestClient) -> None:
    answer = client.get(path)
    check_problem(answer, 404, "nothing at")
    assert len(answer.text) < 1000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"text": "a"',
        b"\xff\xfe",
        b'{"text": "\xff"}',
        b"[" * 100_000,
        b'{"text": ' + b"1" * 5000 + b"}",
        b"null",
        b'{"text": "\\ud800"}',
        b'{"\\ud800": "a", "text": "a"}',
        b'{"text": "a", "text\\u0000": 1}',
    ],
)
def test_bodies_that_are_none(body: bytes, client: TestClient) -> None:
    answer = client.post("/v1/queries", content=body, headers={"Content-Type": "application/json"})
    check_problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}
    json.loads(answer.content)


def test_a_body_must_say_that_it_is_json(client: TestClient) -> None:
    for kind in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/xml"}):
        answer = client.post("/v1/queries", content=b'{"text": "a red car"}', headers=kind)
        check_problem(answer, 422, "Content-Type: application/json")


def test_a_secret_in_a_refused_value_is_not_repeated(client: TestClient) -> None:
    source = "gopher://guard:hunter2@yard/1"
    for body in ({"id": source, "source": source}, {"id": "yard", "source": source, source: 1}):
        assert "hunter2" not in client.post("/v1/cameras", json=body).text
