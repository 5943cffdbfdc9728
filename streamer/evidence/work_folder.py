"""Temporary files of evidence, and what the system says to them in our words."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.errors import EvidenceStorageError


@contextmanager
def storage_faults(what: str) -> Iterator[None]:
    """What the system refuses meanwhile becomes EvidenceStorageError, which names `what`."""
    try:
        yield
    except OSError as error:
        raise EvidenceStorageError(f"{what} cannot be used: {error.strerror or error}.") from error


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder for temporary files, for as long as the context lasts.

    Raises:
        EvidenceStorageError: there is no room for one.
    """
    with storage_faults("The folder for temporary files (TMPDIR)"):
        folder = Path(tempfile.mkdtemp(prefix="watchword-evidence-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
