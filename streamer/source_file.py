"""Which files may be a camera: regular files below the folders that were named for it."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from streamer.address import why_no_path
from streamer.errors import AddressRefusedError, SourceAddressError, SourceFolderError
from streamer.redaction import redact_source

DEVICES = Path("/dev")


@dataclass(frozen=True, slots=True)
class FilePermit:
    """Files below `roots`, wherever links lead; None allows files anywhere, and devices.

    What is not there yet is judged by where it would be.
    """

    roots: tuple[Path, ...] | None

    def check(self, source: str) -> str:
        """The path or glob, absolute and without "..".

        Raises:
            AddressRefusedError: it leads out of the roots, or to a device.
            SourceFolderError: it is a folder.
            SourceAddressError: it is no path, or neither a file nor a device.
        """
        if "\0" in source or not source:
            raise SourceAddressError("The source is no path: give the path of a file.")
        # Before links are followed, so that "link/.." means one thing here and at every opening
        absolute = os.path.abspath(source)
        try:
            for path in _meant(absolute):
                self._check_path(path)
        except OSError as error:
            raise SourceAddressError(
                f"'{redact_source(source)}' is no path to a video: {why_no_path(error)}."
            ) from error
        return absolute

    def _check_path(self, path: Path) -> None:
        real = path.resolve()
        if self.roots is not None and not any(_below(real, root) for root in self.roots):
            raise AddressRefusedError(self._explain(path))
        if real.is_dir():
            raise SourceFolderError(
                f"'{path}' is a folder: name a video in it, or all of them as '{path}/*.mp4'."
            )
        if not real.exists() or real.is_file():
            return
        if self.roots is not None:
            raise AddressRefusedError(
                f"'{path}' is a device: cameras on devices stand in the configuration file."
            )
        if not real.is_char_device():  # a pipe: opening it may never return
            raise SourceAddressError(f"'{path}' is neither a file nor a device.")

    def _explain(self, path: Path) -> str:
        shown = redact_source(str(path))  # there may be no such file: a URL that was mistyped
        if not self.roots:
            return (
                f"'{shown}' is a file, and this server reads none by name: list a folder in "
                "cameras.file_roots, or give a URL."
            )
        folders = ", ".join(f"'{root}'" for root in self.roots)
        return (
            f"'{shown}' does not lie below {folders}: move it there, or list its folder in "
            "cameras.file_roots."
        )


def is_device(source: str) -> bool:
    """Whether a path leads to where devices are.

    >>> is_device("/dev/video0")
    True
    """
    return Path(os.path.abspath(source)).is_relative_to(DEVICES)


def _below(real: Path, root: Path) -> bool:
    root = root.resolve()
    if real.is_relative_to(DEVICES) and not root.is_relative_to(DEVICES):
        return False  # a root "/" is not meant to hold /dev
    return real.is_relative_to(root)


def _meant(absolute: str) -> list[Path]:
    """The paths a source stands for: itself, or a glob's files and where more may appear."""
    if os.path.exists(absolute) or not glob.has_magic(absolute):
        return [Path(absolute)]
    parts = Path(absolute).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    stem = Path(*parts[:fixed], "a file")  # stands for files that are not there yet
    found = [Path(name) for name in sorted(glob.glob(absolute, recursive=True))]
    return [stem, *(path for path in found if not path.is_dir())]
