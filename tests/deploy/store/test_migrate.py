import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from deploy.errors import StoreForeignError, StoreNewerError
from deploy.store.database import Backend, Database
from deploy.store.migrate import MIGRATIONS, migrate
from deploy.store.postgres import PostgresBackend
from deploy.store.schema import metadata
from deploy.store.sqlite import SqliteBackend
from tests.deploy.store.records import Clock, camera, opened, query, reopen, subscription
from tests.postgres_server import PostgresServer


@pytest.fixture
def database(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with nothing in it."""
    with ExitStack() as stack:
        backend: Backend
        if kind == "sqlite":
            backend = SqliteBackend(tmp_path / "watchword.db", 1.0, foreign_keys=False)
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            url = server.url(stack.enter_context(server.database()))
            (tmp_path / "url").write_text(url)
            backend = PostgresBackend(sa.make_url(url), shared=False)
        yield stack.enter_context(closing(Database(backend, Clock())))


def tables(database: Database) -> set[str]:
    with database.read() as connection:
        return set(sa.inspect(connection).get_table_names())


def test_migrations_lead_to_the_tables_the_code_knows(database: Database) -> None:
    migrate(database)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert tables(database) == {*metadata.tables, "alembic_version"}


def test_every_migration_can_be_undone_and_done_again(database: Database) -> None:
    revisions = [one.revision for one in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    for revision in reversed(revisions):
        migrate(database, revision)
    for revision in [*revisions[1:], "base"]:
        migrate(database, revision)
    assert tables(database) == {"alembic_version"}
    migrate(database)
    assert tables(database) == {*metadata.tables, "alembic_version"}


def test_rows_outlast_a_downgrade_and_an_upgrade(database: Database, tmp_path: Path) -> None:
    store = reopen(tmp_path, Clock())
    kept = (
        store.cameras.add(camera(), "me"),
        store.queries.add(query(), "me"),
        store.subscriptions.add(subscription(), "me"),
    )
    store.alerts.write(opened("one"))
    store.close()
    migrate(database, "0001")
    migrate(database)
    store = reopen(tmp_path, Clock())
    assert kept == (
        store.cameras.get("yard"),
        store.queries.get("aaaaaaaaaaaa"),
        store.subscriptions.get("desk"),
    )
    assert store.cameras.add(camera("next"), "me").revision == 4
    assert store.alerts.last_sequence() == 0  # alerts came with the second migration
    assert len(store.audit.page(0, 9)) == 4
    store.close()


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_second_start_changes_nothing(database: Database, tmp_path: Path) -> None:
    migrate(database)
    before = (tmp_path / "watchword.db").read_bytes()
    migrate(database)
    assert (tmp_path / "watchword.db").read_bytes() == before


def test_a_newer_database_is_left_alone(database: Database) -> None:
    migrate(database)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreNewerError, match=r"revision is 9999.*knows up to \d{4}") as caught:
        migrate(database)
    assert database.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_of_another_program_is_left_alone(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE songs (title TEXT)"))
    with pytest.raises(StoreForeignError, match=r"'songs'.*store\.url"):
        migrate(database)
    assert tables(database) == {"songs"}


def test_a_migration_that_breaks_off_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken off")

    script = ScriptDirectory(str(MIGRATIONS)).get_revision("0002")
    assert script is not None
    monkeypatch.setattr("alembic.op.create_index", fail)
    with pytest.raises(RuntimeError, match="broken off"):
        migrate(database)
    assert tables(database) == set()


def test_logging_is_left_alone(database: Database) -> None:
    root = logging.getLogger()
    mine = logging.getLogger("grounding.worker")
    before = root.level, list(root.handlers), mine.disabled
    migrate(database)
    assert (root.level, list(root.handlers), mine.disabled) == before
