"""A database in a SQLite file: one process, one writer at a time."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from deploy.errors import StoreError
from deploy.store.database import Database
from deploy.store.faults import sqlite_fault
from deploy.store.file_lock import FileLock
from deploy.store.migrate import migrate

BUSY_SECONDS = 5.0  # how long another program may keep the database locked
# More than the threads of an HTTP server: a reader never waits for a connection
POOL = 8
POOL_OVERFLOW = 128


class SqliteBackend:
    """A `Backend`; nobody else has the file open while `lock` is held."""

    several = False
    alone = True

    def __init__(
        self,
        path: Path,
        busy_seconds: float,
        foreign_keys: bool = True,
        lock: FileLock | None = None,
    ) -> None:
        self.name = str(path)
        self.engine = self.reading = sqlite_engine(path, busy_seconds, foreign_keys)
        self._lock = lock

    def queue(self, connection: sa.Connection) -> None:
        """A transaction that writes began with the lock on the file."""

    @contextmanager
    def turn(self, wait: bool) -> Iterator[bool]:
        """It is always this process."""
        yield True

    def announce(self, connection: sa.Connection, news: str) -> None:
        """There is nobody to hear it."""

    def hear(self, tell: Callable[[str], None]) -> None:
        """There is nobody to tell anything."""

    def fault(self, error: BaseException | None) -> StoreError | None:
        """See `Backend.fault`."""
        return sqlite_fault(self.name, error)

    def close(self) -> None:
        """Let another process have the file."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.release()


def open_sqlite(path: Path, clock: Callable[[], float]) -> Database:
    """The database in a file, made or migrated if need be.

    Raises:
        StoreError: it cannot be opened; the sentence says why and what to do.
    """
    with ExitStack() as undo:
        lock = FileLock(path)
        undo.callback(lock.release)
        # SQLite changes a table by dropping it, and what refers to it must not go with it
        migrating = Database(SqliteBackend(path, BUSY_SECONDS, foreign_keys=False), clock)
        try:
            migrate(migrating)
        finally:
            migrating.close()
        database = Database(SqliteBackend(path, BUSY_SECONDS, lock=lock), clock)
        undo.pop_all()
    return database


def sqlite_engine(path: Path, busy_seconds: float, foreign_keys: bool = True) -> sa.Engine:
    """An engine on a SQLite file, in write-ahead mode, each commit synced to the disk."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": busy_seconds, "check_same_thread": False},
        pool_size=POOL,
        hide_parameters=True,  # what was to be stored is nobody's who reads a log
        max_overflow=POOL_OVERFLOW,
    )

    def on_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver thinks
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")

    def on_begin(connection: sa.Connection) -> None:
        # A writer takes the lock at once: one that began by reading could not wait for it later
        options: dict[str, Any] = dict(connection.get_execution_options())
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "begin", on_begin)
    return engine
