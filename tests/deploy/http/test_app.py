"""The app as a whole: health, and what its description says."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.deploy.http.world import World

METHODS = {"get", "post", "patch", "delete"}


@pytest.fixture
def described(client: TestClient) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def test_health(world: World, client: TestClient) -> None:
    live = client.get("/healthz/live")
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    ready = client.get("/healthz/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    world.is_ready = False
    ready = client.get("/healthz/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "not ready"})
    assert client.get("/healthz/live").status_code == 200


def test_it_is_openapi_3_1(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    named = set(re.findall(r"#/components/schemas/(\w+)", str(described)))
    assert named == set(described["components"]["schemas"])


def test_every_operation_says_what_it_is(described: dict[str, Any]) -> None:
    found = operations(described)
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(set(ids)) == len(ids)
    assert all(operation["summary"] and operation["tags"] for _, _, operation in found)
    tags = {tag["name"] for tag in described["tags"]}
    assert {tag for _, _, operation in found for tag in operation["tags"]} == tags


def test_every_refusal_is_a_problem(described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        refusals = {
            status: said for status, said in operation["responses"].items() if status >= "4"
        }
        if path.startswith("/healthz/"):
            assert operation["security"] == []
            continue
        assert {"401", "403", "503"} <= set(refusals), (method, path)
        for said in refusals.values():
            assert list(said["content"]) == ["application/problem+json"]


def test_what_can_be_refused_is_described(described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        if path.startswith(("/healthz/", "/metrics")):
            continue
        statuses = set(operation["responses"])
        named = "{" in path
        assert ("404" in statuses) == named, (method, path)
        assert ("requestBody" in operation) == ("400" in statuses), (method, path)
        assert "422" in statuses, (method, path)


def test_it_describes_tokens_as_an_offer(described: dict[str, Any]) -> None:
    assert described["security"] == [{}, {"token": []}]
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_it_is_described_once(world: World) -> None:
    app = world.app()
    assert app.openapi() is app.openapi()
