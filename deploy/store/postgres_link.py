"""A process's own connection to a PostgreSQL server: it says "I am here", and hears of news.

The connection is in no pool. While it is broken everything is told twice a second, as if all had
changed: those who wait then look for themselves.
"""

import logging
import os
import selectors
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from deploy.errors import StoreInUseError, StoreServerError
from streamer.address import redact

CHANNEL = "watchword"
NEWS = ("outbox", "alerts")  # all that is announced
POLL_SECONDS = 0.5  # between two tries while the connection is broken
PROBE_SECONDS = 30.0  # without news: a connection that died in silence is noticed
JOIN_SECONDS = 5.0  # a process that was killed lets go of its lock a little later
OLDEST = 14

_log = logging.getLogger(__name__)


class Lock(IntEnum):
    """The advisory locks of a database."""

    WRITER = 1  # who writes now
    OUTBOX = 2  # who publishes now
    SERVER = 3  # who has it open: one, or several that share it

    @property
    def key(self) -> tuple[int, int]:
        """Two numbers: the first one is Watchword's, others may keep locks there too."""
        return 0x57415443, self.value


class PostgresLink:
    """Made with `join`, heard from `hear` on, ended with `close`.

    `engine` makes connections that commit each statement and belong to no pool.
    """

    def __init__(self, engine: sa.Engine, name: str, shared: bool) -> None:
        self._engine = engine
        self._name = name
        self._shared = shared
        self._me = uuid4().hex
        self._connection: sa.Connection | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._asleep, self._alarm = os.pipe()

    def join(self) -> None:
        """Connect and take the lock of those who have it open.

        Raises:
            StoreServerError: the server is too old, or the database cannot hold every text.
            StoreInUseError: another process has it open, and does not share it or may not.
            DBAPIError: what else a server says.
        """
        connection = self._connect()
        try:
            check_server(connection, self._name)
            deadline = time.monotonic() + JOIN_SECONDS
            while not self._take_lock(connection):
                if time.monotonic() > deadline:
                    raise self._refused()
                time.sleep(0.1)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def announce(self, connection: sa.Connection, news: str) -> None:
        """Have all others hear of it once the transaction is committed."""
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, f"{news} {self._me}")))

    def hear(self, tell: Callable[[str], None]) -> None:
        """Tell what others announce, from a thread, until `close`."""
        self._thread = threading.Thread(
            target=self._run, args=(tell,), name="store-link", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Leave; twice is allowed."""
        if self._ending.is_set():
            return
        self._ending.set()
        os.write(self._alarm, b".")
        if self._thread is not None:
            self._thread.join()
        self._drop()
        os.close(self._alarm)
        os.close(self._asleep)

    def _run(self, tell: Callable[[str], None]) -> None:
        while not self._ending.is_set():
            try:
                if self._connection is None:
                    self._reconnect()
                    _tell_all(tell)  # of what came meanwhile nobody heard
                self._hear(tell)
            except (DBAPIError, self._engine.dialect.loaded_dbapi.Error) as error:
                if self._connection is not None:
                    _log.warning("The connection to %s broke: %s", self._name, _cause(error))
                self._drop()
                _tell_all(tell)
                self._ending.wait(POLL_SECONDS)

    def _hear(self, tell: Callable[[str], None]) -> None:
        """Blocks until the connection breaks or `close`."""
        assert self._connection is not None
        driver: Any = self._connection.connection.dbapi_connection
        with selectors.DefaultSelector() as selector:
            selector.register(driver.fileno(), selectors.EVENT_READ)
            selector.register(self._asleep, selectors.EVENT_READ)
            while not self._ending.is_set():
                if not selector.select(PROBE_SECONDS):
                    _ask(self._connection, sa.select(1))
                    _tell_all(tell)  # psycopg before 3.2.4 forgets news that come with an answer
                for notice in driver.notifies(timeout=0):
                    news, _, by = notice.payload.partition(" ")
                    if by != self._me and news in NEWS:
                        tell(news)

    def _connect(self) -> sa.Connection:
        connection = self._engine.connect()
        with connection.begin():
            connection.exec_driver_sql(f"LISTEN {CHANNEL}")
        return connection

    def _reconnect(self) -> None:
        connection = self._connect()
        try:
            if not self._take_lock(connection):
                _log.error("%s", self._refused())
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        _log.info("The connection to %s is back", self._name)

    def _take_lock(self, connection: sa.Connection) -> bool:
        one, many = sa.func.pg_try_advisory_lock, sa.func.pg_try_advisory_lock_shared
        return bool(_ask(connection, sa.select((many if self._shared else one)(*Lock.SERVER.key))))

    def _refused(self) -> StoreInUseError:
        return StoreInUseError(
            f"The database {self._name} is in use by another Watchword: several share one if all "
            "have kafka.bootstrap_servers; stop that one, or give this one a store.url of its own."
        )

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def check_server(connection: sa.Connection, name: str) -> None:
    """Raises StoreServerError for a server or a database that does not do."""
    version = connection.dialect.server_version_info or (0,)
    if version < (OLDEST,):
        raise StoreServerError(
            f"The database {name} is kept by PostgreSQL {'.'.join(map(str, version))}: "
            f"Watchword needs {OLDEST} or newer."
        )
    encoding = _ask(connection, sa.select(sa.func.current_setting("server_encoding")))
    if encoding != "UTF8":
        raise StoreServerError(
            f"The database {name} is encoded in {encoding}, which cannot hold every text: "
            "make one with ENCODING 'UTF8'."
        )


def _ask(connection: sa.Connection, question: sa.Select[Any]) -> Any:
    # As one: a transaction left open could not be ended on a connection that broke meanwhile
    with connection.begin():
        return connection.execute(question).scalar()


def _cause(error: Exception) -> str:
    said = error.orig if isinstance(error, DBAPIError) else error
    return redact((str(said).strip().splitlines() or [""])[0])


def _tell_all(tell: Callable[[str], None]) -> None:
    for news in NEWS:
        tell(news)
