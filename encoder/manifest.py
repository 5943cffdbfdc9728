"""`manifest.json`: what a bundle is, where its weights come from, how far it can be trusted."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from encoder.errors import ManifestError
from encoder.space import EmbeddingSpace
from streamer.clip import Instants
from streamer.resizing import KERNELS

MANIFEST = "manifest.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # no folder, no "..", nothing hidden

Precision = Literal[
    "fp32", "fp16", "bf16", "int8", "none"
]  # how weights are stored; none: no weights


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights or data that went into the bundle."""

    name: str
    license: str
    origin: str = ""  # where it is to be had
    used_for: str = ""
    file: str = ""  # the name of the very file that went in, and its SHA-256 in hexadecimal
    sha256: str = ""


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the bundle."""

    sha256: str
    bytes: int
    precision: Precision = "none"


class SpaceEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An embedding space as it stands in a manifest; `id` guards against a changed meaning."""

    id: str
    model: str
    dims: int
    clip_seconds: float
    frames_per_clip: int
    width: int
    height: int
    kernel: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    instants: Instants = "middles"

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise ManifestError(
                f"pictures cannot be resized by the kernel {self.kernel!r}: there are"
                f" {', '.join(KERNELS)}"
            )

    @classmethod
    def of(cls, space: EmbeddingSpace) -> "SpaceEntry":
        """The entry of a space."""
        fields = {name: getattr(space, name) for name in cls.__struct_fields__ if name != "id"}
        return cls(id=space.id, **fields)

    @property
    def space(self) -> EmbeddingSpace:
        """The space itself."""
        fields = msgspec.structs.asdict(self)
        del fields["id"]
        return EmbeddingSpace(**fields)


class TextSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How texts are read."""

    max_tokens: int = 40  # with the special ones
    language: str = "en"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a bundle says about itself; `detector` and `calibration` are grounding's."""

    schema: Literal[1] = 1
    name: str
    version: str
    license: str
    description: str
    sources: list[Source]
    trained_on: list[Source]
    limits: list[str]  # what the bundle cannot do, a sentence each
    space: SpaceEntry
    text: TextSettings = TextSettings()
    detector: dict[str, Any] = {}
    calibration: dict[str, Any] = {}
    accuracy: dict[str, Any] = {}
    files: dict[str, FileEntry] = {}

    def __post_init__(self) -> None:
        check_name(self.name)
        for name in self.files:
            if name == MANIFEST or not _FILE_NAME.fullmatch(name):
                raise ManifestError(f"bundle {self.name} names a file {name!r}: not allowed")
        if self.space.id != self.space.space.id:
            raise ManifestError(
                f"bundle {self.name} calls its embedding space {self.space.id}, but it describes"
                f" {self.space.space.id}: it was edited, or made for another Watchword"
            )


def check_name(name: str) -> str:
    """The name of a bundle; raises ManifestError if it cannot be one."""
    if not _NAME.fullmatch(name):
        raise ManifestError(
            f"{name!r} cannot name a bundle: use lower-case letters, digits, '.' and '-'"
        )
    return name


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle's folder.

    Raises ManifestError, naming the key, if it is missing, no JSON, or not exactly as `Manifest`.
    """
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        # msgspec wraps what __post_init__ raises only if it is a ValueError; ours passes through.
        raise ManifestError(f"{path} is no manifest of a bundle: {error}") from error


def write_manifest(
    folder: Path, manifest: Manifest, precision: Mapping[str, Precision] | None = None
) -> Manifest:
    """Write `manifest.json` for the files that lie in `folder`, and return it as written.

    `precision` says how each file's weights are stored; files not named in it hold none.
    The file appears whole or not at all.
    """
    precision = precision or {}
    paths = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    files = {
        path.name: FileEntry(
            sha256=sha256_of(path),
            bytes=path.stat().st_size,
            precision=precision.get(path.name, "none"),
        )
        for path in paths
    }
    written = msgspec.structs.replace(manifest, files=files)
    partial = folder.parent / f".{folder.name}.{MANIFEST}.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n")
    os.replace(partial, folder / MANIFEST)
    return written


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
