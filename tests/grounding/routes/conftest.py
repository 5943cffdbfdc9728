"""A server's HTTP app on a real store, with two cameras and a query."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.deploy.http.world import World, opened_world
from tests.deploy.store import records


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        for name in ("gate-east", "yard"):
            world.store.cameras.add(records.camera(name), "test")
        world.store.queries.add(records.query(), "test")
        yield world


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with world.client() as client:
        yield client
