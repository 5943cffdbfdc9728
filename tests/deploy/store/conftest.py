"""A store in a folder of its own, and its clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.store import Store
from tests.deploy.store.records import Clock, reopen


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    store = reopen(tmp_path, clock)
    yield store
    store.close()
