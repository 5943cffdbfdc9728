"""Evidence wherever fsspec can reach: object stores, SFTP, memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from streamer.address import redact
from streamer.errors import EvidenceMissingError, EvidenceStorageError
from streamer.evidence.shelf import Entry
from streamer.evidence.work_folder import storage_faults, work_folder

# Stores in which a file can be seen only when it is whole; elsewhere it is renamed to its place
_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "memory"}
_NEW = ".new"
T = TypeVar("T")


class RemoteShelf:
    """See `Shelf`; connects at the first use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._shown = redact(url)
        self._protocol = url.partition("://")[0]
        self._fsspec = _import_fsspec(self._shown)
        try:
            self._fsspec.get_filesystem_class(self._protocol)
        except (ValueError, ImportError) as error:
            raise EvidenceStorageError(
                f"storage.evidence.url {self._shown!r}: {str(error).rstrip('.')}."
            ) from error

    def put(self, path: Path, name: str) -> None:
        """See `Shelf.put`."""

        self._upload(name, lambda store, goal: store.put_file(str(path), goal))
        with storage_faults(str(path)):
            path.unlink(missing_ok=True)

    def put_bytes(self, data: bytes, name: str) -> None:
        """See `Shelf.put_bytes`."""
        self._upload(name, lambda store, goal: store.pipe_file(goal, data))

    def files(self, folder: str) -> list[Entry]:
        """See `Shelf.files`."""
        prefix = f"{folder}/" if folder else ""
        return [
            Entry(prefix + name, size)
            for name, size, is_file in self._listed(folder)
            if is_file and not name.endswith(_NEW)
        ]

    def unfinished(self, folder: str) -> list[str]:
        """See `Shelf.unfinished`."""
        prefix = f"{folder}/" if folder else ""
        return [prefix + name for name, _, _ in self._listed(folder) if name.endswith(_NEW)]

    def folders(self, folder: str) -> list[str]:
        """See `Shelf.folders`."""
        return [name for name, _, is_file in self._listed(folder) if not is_file]

    def remove(self, name: str) -> None:
        """See `Shelf.remove`."""

        def take_away(store: Any, place: str) -> None:
            with suppress(FileNotFoundError):
                store.rm(place, recursive=True)

        self._tried(name, take_away)

    @contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        """See `Shelf.opened`; the file is fetched."""
        with work_folder() as folder:
            path = folder / name.rpartition("/")[2]

            def fetch(store: Any, place: str) -> None:
                store.get_file(place, str(path))

            self._tried(name, fetch)
            yield path

    def free_bytes(self) -> int | None:
        """See `Shelf.free_bytes`."""
        return None

    def _upload(self, name: str, write: Callable[[Any, str], object]) -> None:
        def upload(store: Any, place: str) -> None:
            store.makedirs(place.rpartition("/")[0], exist_ok=True)
            goal = place if self._protocol in _WHOLE else place + _NEW
            try:
                write(store, goal)
                if goal != place:
                    store.mv(goal, place)
            except Exception:
                if goal != place:
                    with suppress(Exception):  # what went wrong before is what is told
                        store.rm(goal)
                raise

        self._tried(name, upload)

    def _listed(self, folder: str) -> list[tuple[str, int, bool]]:
        """Name, size and whether it is a file, of all in a folder, by name."""

        def walk(store: Any, place: str) -> list[tuple[str, int, bool]]:
            store.invalidate_cache(place)  # others write there too
            found: list[tuple[str, int, bool]] = []
            with suppress(FileNotFoundError, NotADirectoryError):
                for one in store.ls(place, detail=True):
                    name = one["name"].rstrip("/").rpartition("/")[2]
                    if name:
                        found.append((name, int(one["size"] or 0), one["type"] == "file"))
            return sorted(found)

        return self._tried(folder, walk)

    def _tried(self, name: str, work: Callable[[Any, str], T]) -> T:
        """Do it with the file system and the place of a name in it."""
        try:
            store, root = self._fsspec.core.url_to_fs(self._url)
            return work(store, f"{root.rstrip('/')}/{name}" if name else root)
        except FileNotFoundError as error:
            raise EvidenceMissingError(f"There is no evidence {name!r} any more.") from error
        except Exception as error:
            raise EvidenceStorageError(
                f"The evidence at {self._shown} cannot be used: {redact(str(error))}."
            ) from error


def _import_fsspec(shown: str) -> ModuleType:
    try:
        module = import_module("fsspec")
        import_module("fsspec.core")
    except ImportError as error:
        raise EvidenceStorageError(
            f"storage.evidence.url {shown!r} needs the package fsspec: pip install fsspec, or name "
            "a folder."
        ) from error
    return module
