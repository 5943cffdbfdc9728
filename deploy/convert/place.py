"""Where a bundle is written: beside its place, and moved there when it is whole."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.errors import UsageError

SPARE = 1.05  # graphs are a little larger than their weights
GIGABYTE = 1e9


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `out` at the end of the block, or is removed.

    Raises UsageError if something is at `out` already that is no empty folder, or if its parent
    cannot be written.
    """
    require_free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {error.strerror}") from error
    try:
        partial.chmod(0o755)  # a temporary folder is its owner's alone
        yield partial
        require_free(out)  # conversion takes minutes: somebody may have been faster
        os.replace(partial, out)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_free(out: Path) -> None:
    """Raises UsageError unless nothing, or an empty folder, is at `out`."""
    try:
        if out.is_symlink() or (out.exists() and not out.is_dir()) or any(_entries(out)):
            raise UsageError(f"--out {out} is there already: name a new or an empty folder")
    except OSError as error:
        raise UsageError(f"--out {out} cannot be read: {error.strerror}") from error


def require_space(out: Path, needed: int) -> None:
    """Raises UsageError, with the number needed, if the disk of `out` has too little room."""
    place = out.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    wanted = int(needed * SPARE)
    if free < wanted:
        raise UsageError(
            f"the bundle needs {wanted / GIGABYTE:.1f} GB and the disk of {out} has"
            f" {free / GIGABYTE:.1f} GB left: free some, or name another place with --out"
        )


def _entries(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())
