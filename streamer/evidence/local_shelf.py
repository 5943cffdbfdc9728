"""Evidence in a folder of this machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from streamer.errors import EvidenceMissingError, EvidenceStorageError
from streamer.evidence.shelf import Entry

_NEW = ".new"  # ends the names of files that are not whole
T = TypeVar("T")


class LocalShelf:
    """See `Shelf`; a file is renamed to its place, so that it is whole when it appears."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, path: Path, name: str) -> None:
        """See `Shelf.put`."""
        place = self._root / name

        def move() -> None:
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(path, place)
            except OSError as error:
                if error.errno != 18:  # EXDEV: it lies on another disk
                    raise
                with _new_beside(place) as new:
                    shutil.copyfile(path, new)
                path.unlink()

        self._tried(move)

    def put_bytes(self, data: bytes, name: str) -> None:
        """See `Shelf.put_bytes`."""
        place = self._root / name

        def write() -> None:
            place.parent.mkdir(parents=True, exist_ok=True)
            with _new_beside(place) as new:
                new.write_bytes(data)

        self._tried(write)

    def files(self, folder: str) -> list[Entry]:
        """See `Shelf.files`."""

        def walk() -> list[Entry]:
            found = []
            with (
                suppress(FileNotFoundError, NotADirectoryError),
                os.scandir(self._root / folder) as all_,
            ):
                for one in all_:
                    with suppress(FileNotFoundError):  # somebody else removed it
                        if one.is_file() and not one.name.endswith(_NEW):
                            found.append(Entry(_joined(folder, one.name), one.stat().st_size))
            return sorted(found, key=lambda entry: entry.name)

        return self._tried(walk)

    def unfinished(self, folder: str) -> list[str]:
        """See `Shelf.unfinished`."""
        place = self._root / folder
        found = self._tried(lambda: sorted(place.glob(f"*{_NEW}")) if place.is_dir() else [])
        return [_joined(folder, one.name) for one in found]

    def folders(self, folder: str) -> list[str]:
        """See `Shelf.folders`."""

        def walk() -> list[str]:
            with (
                suppress(FileNotFoundError, NotADirectoryError),
                os.scandir(self._root / folder) as all_,
            ):
                return sorted(one.name for one in all_ if one.is_dir())
            return []

        return self._tried(walk)

    def remove(self, name: str) -> None:
        """See `Shelf.remove`; folders that it leaves empty go too."""
        place = self._root / name

        def take_away() -> None:
            with suppress(FileNotFoundError):
                if place.is_dir():
                    shutil.rmtree(place)
                else:
                    place.unlink()
            for above in place.relative_to(self._root).parents[:-1]:
                try:
                    (self._root / above).rmdir()
                except OSError:  # not empty
                    return

        self._tried(take_away)

    @contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        """See `Shelf.opened`."""
        place = self._root / name
        if not self._tried(place.is_file):
            raise EvidenceMissingError(f"There is no evidence {name!r} any more.")
        yield place

    def free_bytes(self) -> int | None:
        """See `Shelf.free_bytes`."""

        def measure() -> int:
            place = self._root
            while not place.exists() and place != place.parent:
                place = place.parent
            return shutil.disk_usage(place).free

        return self._tried(measure)

    def _tried(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except OSError as error:
            raise EvidenceStorageError(
                f"The evidence folder {self._root} cannot be used: {error.strerror or error}."
            ) from error


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


@contextmanager
def _new_beside(place: Path) -> Iterator[Path]:
    """A file to be written, which then takes its place; none is left if that fails."""
    new = place.with_name(place.name + _NEW)
    try:
        yield new
        os.replace(new, place)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
