"""A segment that is being written: a file that is locked until it is complete."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from streamer.errors import EvidenceStorageError
from streamer.evidence.config import EvidenceConfig
from streamer.evidence.names import OpenSegment, read_open_segment

_NEW = ".new"  # ends the names of files that are not locked yet
_FORGOTTEN_SECONDS = 3600.0  # a file that was not locked for so long never will be


class OpenFile:
    """A file of one writer: another process sees by its lock that it is still written.

    It is locked before it has its name. The lock goes with the process, whatever ends it.
    """

    def __init__(self, folder: Path, segment: OpenSegment) -> None:
        """Makes the file.

        Raises:
            EvidenceStorageError: it cannot be made.
        """
        self.path = folder / segment.name
        new = folder / (segment.name + _NEW)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = cast(BinaryIO, new.open("wb", buffering=0))
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                new.replace(self.path)
            except OSError:
                with suppress(OSError):
                    new.unlink()
                self.file.close()
                raise
        except OSError as error:
            raise EvidenceStorageError(
                f"The folder {folder} takes no segment: {error.strerror or error}."
            ) from error

    def close(self) -> None:
        """Let go of it."""
        self.file.close()

    def discard(self) -> None:
        """Remove it and let go of it."""
        self.path.unlink(missing_ok=True)
        self.file.close()


def open_segments(folder: Path) -> list[tuple[Path, OpenSegment]]:
    """The segments in a camera's folder that are written, or were left by a killed process."""
    with suppress(OSError):
        found = ((path, read_open_segment(path.name)) for path in sorted(folder.iterdir()))
        return [(path, known) for path, known in found if known is not None]
    return []


def may_come(config: EvidenceConfig, camera_id: str, begin: float, end: float) -> bool:
    """Whether a segment that is not complete may hold some of a time (UTC seconds).

    Seen is what lies on this machine.
    """
    return any(
        known.start_ms / 1000 < end and known.start_ms / 1000 + config.most_open_seconds > begin
        for _, known in open_segments(config.open_folder / camera_id)
    )


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether nobody writes the file any more: then nobody else takes it meanwhile."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        yield _is_free(path, file)
    finally:
        os.close(file)


def clear_forgotten(folder: Path) -> None:
    """Remove files of writers that were killed before they had locked them."""
    with suppress(OSError):
        for path in folder.glob(f"*.mkv{_NEW}"):
            if path.stat().st_mtime < time.time() - _FORGOTTEN_SECONDS:
                path.unlink(missing_ok=True)


def _is_free(path: Path, file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file), path.stat())  # else it was completed meanwhile
    except OSError:
        return False
