"""Where evidence lies: named files that appear whole or not at all.

`open_shelf` chooses: `local_shelf.py` for a folder, `remote_shelf.py` for what fsspec can reach.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that lies there, and its size in bytes."""

    name: str
    size: int


class Shelf(Protocol):
    """Files by names with slashes; every method raises EvidenceStorageError when it cannot."""

    def put(self, path: Path, name: str) -> None:
        """Take a file of this machine under a name, in place of one that was there.

        The file is gone from where it was.
        """

    def put_bytes(self, data: bytes, name: str) -> None:
        """Put a small file there."""

    def files(self, folder: str) -> list[Entry]:
        """The files directly in a folder, by name; none if there is no such folder."""

    def unfinished(self, folder: str) -> list[str]:
        """The names of files there that are not whole: of a writer, or of one that was killed."""

    def folders(self, folder: str) -> list[str]:
        """The names of the folders directly in a folder, sorted; "" is the top."""

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all in it; nothing happens if it is not there."""

    def opened(self, name: str) -> AbstractContextManager[Path]:
        """The file on this machine, for as long as the context lasts.

        Raises:
            EvidenceMissingError: there is none of that name.
        """

    def free_bytes(self) -> int | None:
        """How much room there is; None where nobody knows."""


def open_shelf(url: str) -> Shelf:
    """The shelf at a folder or an fsspec URL; nothing is made or connected to.

    Raises:
        EvidenceStorageError: fsspec is missing, or knows no such storage.
    """
    if is_local(url):
        from streamer.evidence.local_shelf import LocalShelf

        return LocalShelf(Path(url.removeprefix("file://")))
    from streamer.evidence.remote_shelf import RemoteShelf

    return RemoteShelf(url)


def is_local(url: str) -> bool:
    """Whether it is a folder of this machine.

    >>> is_local("/var/evidence"), is_local("file:///var/evidence"), is_local("s3://evidence/cam")
    (True, True, False)
    """
    return "://" not in url or url.startswith("file://")
