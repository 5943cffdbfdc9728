"""Connections and transactions: any number of readers, writers one after another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import sqlalchemy as sa

from deploy.errors import StoreClosedError, StoreError
from deploy.store.faults import faults_of


class Backend(Protocol):
    """What is different from one kind of database to another."""

    @property
    def name(self) -> str:
        """How sentences call the database."""

    @property
    def engine(self) -> sa.Engine:
        """What makes connections to write with; the option `writes` is set on them."""

    @property
    def reading(self) -> sa.Engine:
        """What makes connections to read with: each sees one snapshot."""

    @property
    def several(self) -> bool:
        """Whether several processes may have it open, and writers lock rows and no more."""

    @property
    def alone(self) -> bool:
        """Whether no other process has it open, nor can while this one does."""

    def queue(self, connection: sa.Connection) -> None:
        """Wait, in a new transaction, until no writer of another process is at work."""

    def turn(self, wait: bool) -> AbstractContextManager[bool]:
        """See `Database.turn`."""

    def announce(self, connection: sa.Connection, news: str) -> None:
        """See `Database.announce`."""

    def hear(self, tell: Callable[[str], None]) -> None:
        """See `Database.hear`."""

    def fault(self, error: BaseException | None) -> StoreError | None:
        """What an error of the driver means; None for a mistake of ours."""

    def close(self) -> None:
        """Let go of it; twice is allowed."""


class Database:
    """The database behind all stores; `name` is how sentences call it."""

    def __init__(self, backend: Backend, clock: Callable[[], float]) -> None:
        self.name = backend.name
        self.clock = clock
        self._backend = backend
        self._writing = threading.Lock()  # writers queue here, not in the database's retries
        self._closed = False

    @property
    def several(self) -> bool:
        """Whether another process may have it open, now or later."""
        return not self._backend.alone

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A snapshot to read from.

        Raises:
            StoreError: the database cannot be read.
        """
        self._check_open()
        with faults_of(self.name, self._backend.fault), self._connect(self._backend.reading) as one:
            yield one

    @contextmanager
    def write(self, beside: bool = False) -> Iterator[sa.Connection]:
        """A transaction that is on disk when the block ends, or undone if it raises.

        One begins when the one before has ended, in all processes: what it reads holds until it
        ends, and numbers it draws become visible in their order. With `beside` it need not wait
        where the database locks rows: then only the rows it changes are its own.

        Raises:
            StoreError: the database cannot be written; nothing was.
        """
        beside = beside and self._backend.several
        with nullcontext() if beside else self._writing:
            self._check_open()
            with (
                faults_of(self.name, self._backend.fault),
                self._connect(self._backend.engine) as connection,
            ):
                connection.execution_options(writes=True)
                with connection.begin():
                    if not beside:
                        self._backend.queue(connection)
                    yield connection

    @contextmanager
    def turn(self, wait: bool = False) -> Iterator[bool]:
        """Whether it is this process that publishes, as long as the block lasts.

        Without `wait` false at once if it is another. It may be lost with the connection to a
        server; then the block ends with a StoreError.
        """
        self._check_open()
        with faults_of(self.name, self._backend.fault), self._backend.turn(wait) as mine:
            yield mine

    def announce(self, connection: sa.Connection, news: str) -> None:
        """Have the other processes hear of something, once it is committed."""
        self._backend.announce(connection, news)

    def hear(self, tell: Callable[[str], None]) -> None:
        """Have what other processes announce told, from another thread; repeats may come."""
        self._backend.hear(tell)

    def close(self) -> None:
        """Close it once the writer is through; closing twice is allowed."""
        with self._writing:
            self._closed = True
            self._backend.close()

    @contextmanager
    def _connect(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        with engine.connect() as connection:
            try:
                yield connection
            finally:
                if self._closed and not connection.invalidated:
                    connection.detach()  # closed by its end, not by the pool that is gone

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError(f"The database {self.name} was closed.")
