"""A disk of its own for a server of the tests, so small that it can be filled to the last byte.

It is a tmpfs: making one takes root and the right to mount. Elsewhere the test is skipped.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.requirements import skip_or_fail

PIECE = bytes(1 << 16)


class SmallDisk:
    """A folder that is a file system by itself; `fill` leaves no room on it, `free` all again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """From now on whoever writes there is told ENOSPC."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for piece in (PIECE, PIECE[:4096], PIECE[:1]):
                with contextlib.suppress(OSError):
                    while ballast.write(piece):
                        pass

    def free(self) -> None:
        """Takes away what `fill` wrote."""
        self._ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A disk at `folder` for as long as the block lasts; skips the test where none can be made."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except OSError as error:
        skip_or_fail("mount", str(error))
    if done.returncode:
        skip_or_fail("mount", f"no tmpfs could be mounted: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: somebody may still be about to end
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
