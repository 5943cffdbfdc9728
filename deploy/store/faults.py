"""The one boundary where what the database says becomes a sentence."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import exc

from deploy.errors import (
    StoreAccessError,
    StoreBrokenError,
    StoreBusyError,
    StoreDiskError,
    StoreError,
    StoreFullError,
    StoreLoginError,
    StoreMissingError,
    StoreUnreachableError,
    StoreUrlError,
)
from streamer.address import redact

Fault = tuple[type[StoreError], str]

_FULL = (StoreFullError, "cannot grow, the disk is full: make room, or keep alerts for fewer days")
_FAILING = (StoreDiskError, "cannot be read or written, the disk fails: see the system's log")
_BROKEN = (
    StoreBrokenError,
    "is no database, or was damaged: move it and its -wal and -shm files away and restore a backup",
)
_ACCESS = (
    StoreAccessError,
    "may not be written: give this user the right to its folder and file, or move store.url",
)
_BUSY = (
    StoreBusyError,
    "is kept locked by another program: end that program (`fuser` names it) and try again",
)
# By SQLite's primary result code; anything else is a mistake of ours and stays what it is
_SQLITE: Mapping[int, Fault] = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _ACCESS,
    sqlite3.SQLITE_CANTOPEN: _ACCESS,
    sqlite3.SQLITE_PERM: _ACCESS,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: _BROKEN,
    sqlite3.SQLITE_IOERR: _FAILING,
}

_UNREACHABLE = (
    StoreUnreachableError,
    "cannot be reached: see that PostgreSQL runs there, and that store.url names its host and port",
)
_LOGIN = (StoreLoginError, "lets this user not in: correct the user and the password of store.url")
_MISSING = (
    StoreMissingError,
    "does not exist: make it (`createdb` does), or let store.url name another",
)
_CROWDED = (
    StoreBusyError,
    "has no connection left: raise its max_connections, or run fewer processes",
)
_LOCKED = (
    StoreBusyError,
    "is kept locked by another program: pg_stat_activity names it; end it and try again",
)
_RIGHTS = (
    StoreAccessError,
    "may not be used as it must be: let this user own the database, or grant it the right",
)
_STANDBY = (StoreAccessError, "may only be read: let store.url name the primary, not a copy")
_DAMAGED = (StoreBrokenError, "was damaged: restore a backup")

# By SQLSTATE, or its class of two letters; anything else is a mistake of ours
_POSTGRES: Mapping[str, Fault] = {
    "08": _UNREACHABLE,
    "25006": _STANDBY,
    "25P03": _UNREACHABLE,  # the server ended a connection that did nothing for too long
    "25P04": _UNREACHABLE,
    "28": _LOGIN,
    "3D": _MISSING,
    "40001": _LOCKED,
    "40P01": _LOCKED,
    "42501": _RIGHTS,
    "53100": _FULL,
    "53300": _CROWDED,
    "53": _LOCKED,
    "55P03": _LOCKED,
    "57014": _LOCKED,
    "57P": _UNREACHABLE,
    "58": _FAILING,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
# A connection that is refused carries no code; without a match nobody answers
_POSTGRES_SAYS = (
    (re.compile(r"password|no pg_hba\.conf entry|role .* (does not exist|is not perm)"), _LOGIN),
    (re.compile(r"authentication failed|permission denied for database"), _LOGIN),
    (re.compile(r"database .* does not exist"), _MISSING),
    (re.compile(r"too many (clients|connections)|connection slots are reserved"), _CROWDED),
)
_OPTION = (StoreUrlError, "cannot be meant: correct the part of store.url after the question mark")


@contextmanager
def faults_of(
    name: str, fault_of: Callable[[BaseException | None], StoreError | None]
) -> Iterator[None]:
    """Raises a StoreError that names the database for what the database cannot do."""
    try:
        yield
    except exc.DBAPIError as error:
        if (fault := fault_of(error.orig)) is None:
            raise
        raise fault from error
    except exc.TimeoutError as error:
        raise StoreBusyError(
            f"The database {name} was too slow: all connections to it are in use."
        ) from error


def sqlite_fault(name: str, error: BaseException | None) -> StoreError | None:
    """What an error of the sqlite3 module means; None for a mistake of ours."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _fault(name, _SQLITE.get(code), error)


def postgres_fault(name: str, error: BaseException | None) -> StoreError | None:
    """What an error of psycopg means; None for a mistake of ours."""
    code: str | None = getattr(error, "sqlstate", None)
    if code is None:
        return _fault(name, _uncoded(error), error)
    found = next((_POSTGRES[code[:n]] for n in (5, 3, 2) if code[:n] in _POSTGRES), None)
    return _fault(name, found, error)


def _uncoded(error: BaseException | None) -> Fault | None:
    kind, said = type(error).__name__, str(error)
    if kind == "ProgrammingError" and "connection option" in said:
        return _OPTION
    if kind not in ("OperationalError", "ConnectionTimeout", "InterfaceError"):
        return None
    return next((fault for words, fault in _POSTGRES_SAYS if words.search(said)), _UNREACHABLE)


def _fault(name: str, found: Fault | None, error: BaseException | None) -> StoreError | None:
    if found is None:
        return None
    kind, sentence = found
    said = redact((str(error).strip().splitlines() or [""])[0])
    return kind(f"The database {name} {sentence} ({said}).")
