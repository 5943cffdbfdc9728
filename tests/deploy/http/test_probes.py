"""What a process without the api part answers: the same words, to the same people, and no more."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge
from starlette.testclient import TestClient

from deploy.http.access import AccessOptions, Token
from deploy.http.probes import build_probes

LOCAL = "http://127.0.0.1:8080"
TOKEN = "c0ffee" * 5


class Process:
    """What the app speaks for."""

    def __init__(self) -> None:
        self.is_ready = True
        self.registry = CollectorRegistry()
        Gauge("watchword_told", "Told", registry=self.registry).set(7)

    def client(self, access: AccessOptions) -> TestClient:
        app = build_probes(lambda: self.is_ready, self.registry, access)
        return TestClient(app, base_url=LOCAL)


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def client(process: Process) -> Iterator[TestClient]:
    with process.client(AccessOptions()) as client:
        yield client


def test_health(process: Process, client: TestClient):
    assert client.get("/healthz/ready").json() == {"status": "ready"}
    process.is_ready = False
    ready = client.get("/healthz/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "not ready"})
    assert client.get("/healthz/live").json() == {"status": "live"}


def test_metrics(client: TestClient):
    assert "watchword_told 7.0" in client.get("/metrics").text


@pytest.mark.parametrize("path", ["/v1/cameras", "/openapi.json", "/docs", "/"])
def test_nothing_else_is_there(client: TestClient, path: str):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_without_a_token_only_this_machine_is_answered(client: TestClient):
    assert client.get("/metrics", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/healthz/live", headers={"Host": "evil.example"}).status_code == 200


def test_metrics_want_their_token_and_health_wants_none(process: Process):
    token = Token.of("prometheus", frozenset({"metrics"}), TOKEN)
    with process.client(AccessOptions((token,))) as client:
        assert client.get("/metrics").status_code == 401
        allowed = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/metrics", headers=allowed).status_code == 200
        assert client.get("/healthz/ready").status_code == 200
