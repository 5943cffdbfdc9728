import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.errors import (
    StoreAccessError,
    StoreBusyError,
    StoreClosedError,
    StoreDiskError,
    StoreError,
    StoreFullError,
)
from deploy.store.database import Database
from deploy.store.sqlite import SqliteBackend
from tests.deploy.store.records import Clock


@pytest.fixture
def backend(tmp_path: Path) -> SqliteBackend:
    return SqliteBackend(tmp_path / "watchword.db", busy_seconds=0.01)


@pytest.fixture
def engine(backend: SqliteBackend) -> sa.Engine:
    return backend.engine


@pytest.fixture
def database(backend: SqliteBackend) -> Iterator[Database]:
    database = Database(backend, Clock())
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE things (thing TEXT NOT NULL)"))
    yield database
    database.close()


def add(database: Database, thing: str | None = "thing") -> None:
    with database.write() as connection:
        connection.execute(sa.text("INSERT INTO things VALUES (:thing)"), {"thing": thing})


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(sa.text("SELECT count(*) FROM things")).scalar_one()


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10)],
)
def test_each_connection_is_careful(database: Database, pragma: str, value: object) -> None:
    for _ in range(2):
        with database.read() as connection:
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_a_block_that_raises_is_undone(database: Database) -> None:
    def break_off() -> None:
        with database.write() as connection:
            connection.execute(sa.text("INSERT INTO things VALUES ('thing')"))
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert count(database) == 0


def test_readers_see_what_was_there_when_they_began(database: Database) -> None:
    with database.read() as connection:
        seen = sa.text("SELECT count(*) FROM things")
        assert connection.execute(seen).scalar() == 0
        add(database)
        assert connection.execute(seen).scalar() == 0
    assert count(database) == 1


def test_writers_queue(database: Database) -> None:
    threads = [threading.Thread(target=add, args=(database,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(database) == 20


def test_a_full_disk(database: Database, engine: sa.Engine) -> None:
    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 4")

    engine.dispose()
    sa.event.listen(engine, "connect", limit)
    with pytest.raises(StoreFullError, match=r"watchword\.db cannot grow, the disk is full"):
        add(database, "x" * 100_000)
    assert count(database) == 0
    add(database)  # what fits is still taken
    assert count(database) == 1


def test_another_program_that_holds_it(database: Database) -> None:
    other = sqlite3.connect(database.name, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="locked by another program"):
        add(database)
    assert count(database) == 0
    other.execute("ROLLBACK")
    other.close()
    add(database)


def test_one_that_may_not_be_written(database: Database, engine: sa.Engine) -> None:
    def protect(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    engine.dispose()
    sa.event.listen(engine, "connect", protect)
    with pytest.raises(StoreAccessError, match="may not be written"):
        add(database)


def test_a_disk_that_fails(database: Database) -> None:
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
    with pytest.raises(StoreDiskError, match="the disk fails"), database.read():
        raise sa.exc.OperationalError("SELECT 1", None, failure)


def test_mistakes_of_ours_are_not_called_faults_of_the_disk(database: Database) -> None:
    with pytest.raises(sa.exc.OperationalError, match="no such table"), database.read() as found:
        found.execute(sa.text("SELECT * FROM absent"))
    with pytest.raises(sa.exc.IntegrityError):
        add(database, None)


def test_what_was_to_be_stored_does_not_stand_in_errors(database: Database) -> None:
    with pytest.raises(sa.exc.OperationalError) as caught, database.write() as connection:
        connection.execute(sa.text("INSERT INTO absent VALUES (:it)"), {"it": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_after_close(database: Database) -> None:
    database.close()
    database.close()
    for use in (database.read, database.write):
        with pytest.raises(StoreClosedError, match="was closed"), use():
            pass
    assert issubclass(StoreClosedError, StoreError)
