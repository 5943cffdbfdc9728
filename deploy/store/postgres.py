"""A database on a PostgreSQL server: several processes may have it open."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from deploy.errors import StoreDriverError, StoreError, StoreUrlError
from deploy.store.database import Database
from deploy.store.faults import faults_of, postgres_fault
from deploy.store.migrate import migrate
from deploy.store.postgres_link import Lock, PostgresLink, check_server

# Small, as a server has 100 for all: a thread waits for one of these rather than being refused
POOL = 5
POOL_OVERFLOW = 15

_CONNECT = {
    "application_name": "watchword",
    "client_encoding": "utf8",
    "connect_timeout": "10",
    # A server that went without a word is given up after 20 to 30 seconds
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
# So does the server with a process that went, and with one that was stopped while it wrote
_SESSION = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "30s",  # how long a writer waits for the one before it, in whatever process
}


class PostgresBackend:
    """A `Backend`; `shared` processes have it open together, others by themselves.

    All are told from each other, and wait for each other, by advisory locks in the database.
    """

    several = True

    def __init__(self, url: sa.URL, shared: bool) -> None:
        self.name = shown_name(url)
        self.alone = not shared
        self.engine = postgres_engine(
            url,
            isolation_level="READ COMMITTED",  # whatever the server's own default is
            pool_size=POOL,
            max_overflow=POOL_OVERFLOW,
            pool_pre_ping=True,
        )
        self.reading = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        own = postgres_engine(
            url, isolation_level="AUTOCOMMIT", poolclass=NullPool, pool_reset_on_return=None
        )
        self._link = PostgresLink(own, self.name, shared)

    def join(self) -> None:
        """Be one of those who have it open; raises StoreInUseError, StoreServerError."""
        self._link.join()

    def queue(self, connection: sa.Connection) -> None:
        """See `Backend.queue`: the lock is let go once what was written can be seen."""
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*Lock.WRITER.key)))

    @contextmanager
    def turn(self, wait: bool) -> Iterator[bool]:
        """See `Backend.turn`."""
        with self.engine.connect() as connection, connection.begin():
            # Publishing may take as long as a broker is away
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            if wait:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*Lock.OUTBOX.key)))
                yield True
                return
            tried = sa.select(sa.func.pg_try_advisory_xact_lock(*Lock.OUTBOX.key))
            yield bool(connection.execute(tried).scalar())

    def announce(self, connection: sa.Connection, news: str) -> None:
        """See `Backend.announce`."""
        self._link.announce(connection, news)

    def hear(self, tell: Callable[[str], None]) -> None:
        """See `Backend.hear`."""
        self._link.hear(tell)

    def fault(self, error: BaseException | None) -> StoreError | None:
        """See `Backend.fault`."""
        return postgres_fault(self.name, error)

    def close(self) -> None:
        """Leave, and end all connections."""
        self._link.close()
        self.engine.dispose()


def open_postgres(url: sa.URL, clock: Callable[[], float], shared: bool) -> Database:
    """The database on a server, migrated if need be.

    Raises:
        StoreError: it cannot be opened; the sentence says why and what to do.
    """
    _check(url)
    with ExitStack() as undo:
        backend = PostgresBackend(url, shared)
        undo.callback(backend.close)
        database = Database(backend, clock)
        with faults_of(backend.name, backend.fault):
            backend.join()
        migrate(database)
        undo.pop_all()
    return database


def ask_postgres(url: sa.URL) -> str:
    """What keeps the database, in a few words; nothing is made or changed there.

    Raises:
        StoreError: it cannot be used; the sentence says why and what to do.
    """
    _check(url)
    name = shown_name(url)
    engine = postgres_engine(url, poolclass=NullPool)
    with faults_of(name, lambda error: postgres_fault(name, error)), engine.connect() as connection:
        check_server(connection, name)
        version = connection.dialect.server_version_info or ()
        return f"{name}, PostgreSQL {'.'.join(map(str, version))}"


def postgres_engine(url: sa.URL, **options: Any) -> sa.Engine:
    """An engine on a server; `options` are those of `sa.create_engine`.

    Raises:
        StoreDriverError: psycopg is not installed.
    """
    try:
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={name: to for name, to in _CONNECT.items() if name not in url.query},
            hide_parameters=True,  # what was to be stored is nobody's who reads a log
            **options,
        )
    except ModuleNotFoundError as error:
        raise StoreDriverError(
            "store.url names a PostgreSQL server, and its driver is not installed: "
            "pip install 'watchword[postgres]'"
        ) from error
    statement = "; ".join(f"SET {name} = '{to}'" for name, to in _SESSION.items())

    def on_connect(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.execute(statement)
        connection.commit()

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "before_cursor_execute", _without_nul, retval=True)
    return engine


def shown_name(url: sa.URL) -> str:
    """The database and its server, as sentences call it: without user and password."""
    host = url.host or url.query.get("host") or "this machine"
    server = host if isinstance(host, str) else ", ".join(host)
    return f"{url.database} at {server}{f':{url.port}' if url.port else ''}"


def _check(url: sa.URL) -> None:
    if "@" in (url.host or ""):  # what stands before it is a part of the password
        raise StoreUrlError(
            "store.url holds more than one @: write one that belongs to the password as %40."
        )
    if not url.database:
        raise StoreUrlError(
            "store.url names no database: write postgresql://user:password@host/database."
        )


def _without_nul(
    _connection: sa.Connection,
    _cursor: Any,
    statement: str,
    parameters: Any,
    _context: Any,
    many: bool,
) -> tuple[str, Any]:
    """PostgreSQL's texts cannot hold a NUL: what asks for one finds nothing, as it should."""
    if many:
        return statement, [_plain(one) for one in parameters]
    return statement, _plain(parameters)


def _plain(parameters: Any) -> Any:
    if not isinstance(parameters, Mapping):
        return parameters
    return {
        name: value.replace("\0", "\ufffd") if isinstance(value, str) else value
        for name, value in parameters.items()
    }
