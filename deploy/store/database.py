"""Connections and transactions: any number of readers, one writer at a time."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from deploy.errors import StoreClosedError
from deploy.store.faults import faults_of

# More than the threads of an HTTP server: a reader never waits for a connection
POOL = 8
POOL_OVERFLOW = 128


class Database:
    """The database behind all stores; `name` is how sentences call it."""

    def __init__(self, engine: sa.Engine, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.clock = clock
        self._engine = engine
        self._writing = threading.Lock()  # writers queue here, not in SQLite's sleeping retries
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A snapshot to read from.

        Raises:
            StoreError: the database cannot be read.
        """
        self._check_open()
        with faults_of(self.name), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that is on disk when the block ends, or undone if it raises.

        Raises:
            StoreError: the database cannot be written; nothing was.
        """
        with self._writing:
            self._check_open()
            with faults_of(self.name), self._engine.connect() as connection:
                connection.execution_options(writes=True)
                with connection.begin():
                    yield connection

    def close(self) -> None:
        """Close it once the writer is through; closing twice is allowed."""
        with self._writing:
            self._closed = True
            self._engine.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError(f"The database {self.name} was closed.")


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
