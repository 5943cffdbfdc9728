"""A store of each kind of database, in a place of its own, and its clock.

A test that is about one kind says so by the parameter `kind`, and a file of such tests by a
fixture `kind` of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.store import Store, open_store
from deploy.vault import Vault
from tests.deploy.store.records import Clock, reopen, url_of
from tests.postgres_server import PostgresServer

# Sorts "a" before "B", and so not as ids are sorted
LOCALE = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with Watchword's tables and nothing in them: copied sooner than made."""
    with postgres.database(options=LOCALE) as name:
        open_store(postgres.url(name), Vault.open(tmp_path_factory.mktemp("vault") / "key")).close()
        postgres.execute("TRUNCATE meta", database=name)
        yield name


@pytest.fixture
def place(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The folder of a store that is not open; `reopen` opens it."""
    if kind == "sqlite":
        yield tmp_path
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database(request.getfixturevalue("template")) as name:
        (tmp_path / "url").write_text(server.url(name))
        yield tmp_path


@pytest.fixture
def store(place: Path, clock: Clock) -> Iterator[Store]:
    store = reopen(place, clock)
    yield store
    store.close()


@pytest.fixture
def stores(place: Path, clock: Clock) -> Iterator[tuple[Store, Store]]:
    """A store twice open, as two processes have it."""
    first, second = reopen(place, clock, shared=True), reopen(place, clock, shared=True)
    yield first, second
    first.close()
    second.close()


@pytest.fixture
def database(place: Path) -> str:
    """The name of the stores' database."""
    name = sa.make_url(url_of(place)).database
    assert name is not None
    return name
