"""Engines on disk: a folder each, whole or not at all, and never one that is another's."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from encoder.errors import EngineError, NoEngineError, UnfitEngineError
from encoder.tensorrt.key import EngineParts, Machine, difference

PLAN, RECORD = "engine.plan", "engine.json"


class EngineRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`engine.json`: what the engine beside it is."""

    parts: EngineParts
    bundle: str  # whose video tower it is, for people
    made: float  # UTC seconds
    seconds: float  # how long it was built
    plan_bytes: int


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that may run here."""

    folder: Path
    record: EngineRecord

    @property
    def plan(self) -> Path:
        """The file TensorRT reads."""
        return self.folder / PLAN

    @property
    def max_batch(self) -> int:
        """Clips in one run at most."""
        return self.record.parts.options.max_batch


def engines_folder() -> Path:
    """Where engines are kept: `watchword/engines` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "watchword" / "engines"


def find_engine(
    bundle: str, files: dict[str, str], machine: Machine, root: Path | None = None
) -> Engine:
    """The newest engine of these files for this machine.

    Raises NoEngineError if the bundle has none; UnfitEngineError, which says what is wrong with it,
    if it has one that is damaged or for something else.
    """
    root = engines_folder() if root is None else root
    fitting: list[Engine] = []
    others: list[tuple[float, str]] = []
    for path in sorted(root.glob(f"*/{RECORD}")):
        if path.parent.name.startswith("."):  # being built, or making room
            continue
        try:
            engine = read_engine(path.parent)
        except EngineError as error:
            if _bundle_of(path) == bundle:
                others.append((0.0, str(error)))
            continue
        if why := difference(engine.record.parts, files, machine):
            if engine.record.bundle == bundle:
                others.append((engine.record.made, why))
        else:
            fitting.append(engine)
    if fitting:
        return max(fitting, key=lambda one: one.record.made)
    fix = f"watchword bundles build-engine {bundle}"
    if others:
        raise UnfitEngineError(f"the engine of {bundle} may not be used, {max(others)[1]}: {fix}")
    raise NoEngineError(f"no engine of {bundle} has been built on this machine: {fix}")


def _bundle_of(record: Path) -> str:
    """Whose engine a record speaks of, "" where it cannot be read."""
    try:
        return msgspec.json.decode(record.read_bytes(), type=EngineRecord).bundle
    except (OSError, msgspec.DecodeError):
        return ""


def read_engine(folder: Path) -> Engine:
    """The engine in a folder.

    Raises EngineError if it is not whole, or its folder is not the one its parts name.
    """
    try:
        record = msgspec.json.decode((folder / RECORD).read_bytes(), type=EngineRecord)
        size = (folder / PLAN).stat().st_size
    except (OSError, msgspec.DecodeError) as error:
        raise EngineError(f"{folder} holds no engine that can be read ({error})") from error
    if folder.name != record.parts.key:
        raise EngineError(f"{folder / RECORD} was edited or moved: its parts have another key")
    if size != record.plan_bytes:
        raise EngineError(
            f"{folder / PLAN} has {size} bytes and should have {record.plan_bytes}: it is damaged"
        )
    return Engine(folder, record)


def keep_engine(partial: Path, record: EngineRecord, root: Path) -> Engine:
    """Make a finished folder the engine of its key; one that was there makes room. Hold the lock.

    Raises EngineError if the disk refuses.
    """
    folder, old = root / record.parts.key, partial.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)  # of a builder that was killed while it removed it
    try:
        (partial / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    except OSError as error:
        raise EngineError(f"the engine cannot be kept in {root}: {error.strerror}") from error
    shutil.rmtree(old, ignore_errors=True)
    return Engine(folder, record)


@contextlib.contextmanager
def build_lock(key: str, root: Path, waiting: Callable[[], None]) -> Iterator[Path]:
    """One builder of a key at a time; yields the folder to build in, which ends with the lock.

    Calls `waiting` once if another process builds it. Raises EngineError if nothing can be written.
    """
    partial = root / f".{key}.partial"
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root / f".{key}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise EngineError(f"engines cannot be kept in {root}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        shutil.rmtree(partial, ignore_errors=True)  # of a builder that was killed
        partial.mkdir()
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(descriptor)  # and the lock falls; the file stays, removing it would let two in
