"""A server's HTTP app on a real store, and clients that ask it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from deploy.http.app import build_app
from deploy.http.parts import HttpParts
from grounding.alert_stream import AlertStream
from grounding.delivery.outcome import DeliveryOutcome
from streamer.address_policy import AddressPolicy
from streamer.memory_bus import MemoryBus
from streamer.registration import CameraRegistration
from tests.deploy.store.records import Clock, reopen

HERE = "http://localhost:8080"


class World:
    """The app's surroundings, to be looked at and changed by tests."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.store = reopen(folder, self.clock)
        self.webhooks: list[str] = []  # that were checked
        self.refused_webhook: Exception | None = None
        self.outcome = DeliveryOutcome("accepted", 204, seconds=0.25)
        self.is_ready = True
        self.bus = MemoryBus()

    def app(self, **parts: Any) -> FastAPI:
        """The app; `parts` replaces parts of it."""
        policy = AddressPolicy(loopback=True, private=True)
        given: dict[str, Any] = {
            "cameras": self.store.cameras,
            "queries": self.store.queries,
            "subscriptions": self.store.subscriptions,
            "silences": self.store.silences,
            "alerts": self.store.alerts,
            "blind_periods": self.store.blind_periods,
            "dead_letters": self.store.dead_letters,
            "stream": AlertStream(self.store.alerts),
            "register": CameraRegistration((), policy, lambda text: text[::-1]),
            "check_webhook": self._check_webhook,
            "test_delivery": lambda _: self.outcome,
            "publish": lambda message: self.bus.publish(message, timeout=0.1),
            "ready": lambda: self.is_ready,
            "registry": CollectorRegistry(),
        }
        return build_app(HttpParts(**(given | parts)))

    @contextmanager
    def client(self, **parts: Any) -> Iterator[TestClient]:
        """Asks the app as somebody on this machine."""
        with TestClient(self.app(**parts), base_url=HERE) as client:
            yield client

    def _check_webhook(self, url: str) -> None:
        self.webhooks.append(url)
        if self.refused_webhook is not None:
            raise self.refused_webhook


@contextmanager
def opened_world(folder: Path) -> Iterator[World]:
    """A world, and its end."""
    world = World(folder)
    try:
        yield world
    finally:
        world.bus.close()
        world.store.close()


def check_problem(answer: Any, status: int, said: str = "") -> dict[str, Any]:
    """The answer's problem, after a look at its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert said in problem["detail"], problem
    assert problem["detail"].endswith((".", "?")), problem
    assert (status == 422) == ("errors" in problem)
    return problem
