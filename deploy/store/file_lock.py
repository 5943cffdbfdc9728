"""One process a database: the lock lies beside it and falls with the process."""

import errno
import fcntl
import os
from pathlib import Path

from deploy.errors import StoreAccessError, StoreError, StoreFullError, StoreInUseError


class FileLock:
    """An advisory lock on `<database>.lock`, held until `release` or the end of the process.

    Raises:
        StoreInUseError: another process holds it.
        StoreAccessError: the folder or the file may not be written.
        StoreFullError: the disk is full.
    """

    def __init__(self, database: Path) -> None:
        try:
            database.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = _open(database.with_name(f"{database.name}.lock"))
        except OSError as error:
            raise _refused(database, error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(_open(database))  # made for its owner alone: it holds what cameras saw
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 20, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise StoreInUseError(
                f"The database {database} is in use by another Watchword"
                f"{f' (process {holder})' if holder else ''}: stop that one, or give this one "
                "a store.url of its own."
            ) from error
        except OSError as error:
            os.close(self._descriptor)
            raise _refused(database, error) from error

    def release(self) -> None:
        """Let another process have it; the file stays, removing it would let two in."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _refused(database: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(
            f"The database {database} cannot be made, the disk is full: make room."
        )
    return StoreAccessError(
        f"The database {database} cannot be made or written ({error.strerror}): let store.url "
        "name a file in a folder this user may write."
    )
