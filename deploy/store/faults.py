"""The one boundary where what the database says becomes a sentence."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from deploy.errors import (
    StoreAccessError,
    StoreBrokenError,
    StoreBusyError,
    StoreDiskError,
    StoreError,
    StoreFullError,
)

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
_FAULTS: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (
        StoreFullError,
        "cannot grow, the disk is full: make room, or keep alerts for fewer days",
    ),
    sqlite3.SQLITE_READONLY: _ACCESS,
    sqlite3.SQLITE_CANTOPEN: _ACCESS,
    sqlite3.SQLITE_PERM: _ACCESS,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: _BROKEN,
    sqlite3.SQLITE_IOERR: (
        StoreDiskError,
        "cannot be read or written, the disk fails: see the system's log",
    ),
}


@contextmanager
def faults_of(name: str) -> Iterator[None]:
    """Raises a StoreError that names the database for what the database cannot do."""
    try:
        yield
    except DBAPIError as error:
        if (fault := _fault(name, error.orig)) is None:
            raise
        raise fault from error


def _fault(name: str, error: BaseException | None) -> StoreError | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code not in _FAULTS:
        return None
    kind, sentence = _FAULTS[code]
    return kind(f"The database {name} {sentence} ({error}).")
