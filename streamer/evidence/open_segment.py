"""A segment that is being written: a file that is locked until it is complete."""

import fcntl
import os
from pathlib import Path
from typing import BinaryIO, cast

from streamer.errors import EvidenceStorageError
from streamer.evidence.names import open_name


class OpenFile:
    """A file of one writer: another process sees by its lock that it is still written.

    The lock goes with the process, whatever ends it.
    """

    def __init__(self, folder: Path, session: int, start_ms: int) -> None:
        """Makes the file.

        Raises:
            EvidenceStorageError: it cannot be made.
        """
        self.path = folder / open_name(session, start_ms)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = cast(BinaryIO, self.path.open("wb", buffering=0))
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EvidenceStorageError(
                f"The folder {folder} takes no segment: {error.strerror or error}."
            ) from error

    def close(self) -> None:
        """Let go of it."""
        self.file.close()

    def discard(self) -> None:
        """Let go of it and remove it."""
        self.file.close()
        self.path.unlink(missing_ok=True)


def left_behind(folder: Path, pattern: str = "*.mkv") -> list[Path]:
    """The files of writers that are no more."""
    try:
        return [path for path in sorted(folder.glob(pattern)) if not _is_written(path)]
    except OSError:
        return []


def _is_written(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
