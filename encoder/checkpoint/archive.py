"""torch's zip archives: where each record lies in the file, found without unpacking anything.

`torch.save` stores its records as they are, never compressed. So the records' sizes must add up to
less than the file's, and an archive that claims more is a bomb or damaged.
"""

import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path

from encoder.errors import CheckpointError

MAX_RECORDS = 100_000  # a 6B-parameter network has about a thousand
_END, _END_SIZE = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_SIZE = b"PK\x06\x07", 20
_END64, _END64_SIZE = b"PK\x06\x06", 56
_LOCAL, _LOCAL_SIZE = b"PK\x03\x04", 30
_ENTRY_SIZE = 46  # of the directory, at least
_MAX_COMMENT = 0xFFFF
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Record:
    """One stored file of an archive: its bytes are those of the checkpoint from `start` on."""

    start: int
    size: int


def read_archive(path: Path, content: mmap) -> Mapping[str, Record]:
    """The records of an archive by name, without the folder that all of them lie in.

    `content` is the whole file. Raises CheckpointError if the archive is cut short, compressed,
    encrypted, claims more than it holds, or is no archive of torch.save.
    """
    entries = _directory(path, content)
    folder = _folder(path, [entry.filename for entry in entries])
    declared = sum(entry.file_size for entry in entries)
    if declared > len(content):
        raise CheckpointError(
            f"{path} claims to unpack to {declared} bytes but has only {len(content)}: it is a zip"
            " bomb or damaged; fetch it again from a source you trust"
        )
    records = {entry.filename: _record(path, content, entry) for entry in entries}
    if len(records) < len(entries):
        raise CheckpointError(f"{path} holds two records of one name: fetch it again")
    _refuse_overlap(path, records)
    inside = (name for name in records if name.startswith(folder))
    return {name.removeprefix(folder): records[name] for name in inside}


def _directory(path: Path, content: mmap) -> list[zipfile.ZipInfo]:
    count, size = _directory_size(path, content)
    if count > MAX_RECORDS or size > MAX_RECORDS * (_ENTRY_SIZE + 256):
        raise CheckpointError(
            f"{path} claims {count} records, a checkpoint has at most {MAX_RECORDS}: fetch it"
            " again from a source you trust"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, RuntimeError, ValueError, OSError) as error:
        raise CheckpointError(
            f"{path} is a damaged zip archive ({error}): fetch it again"
        ) from error


def _directory_size(path: Path, content: mmap) -> tuple[int, int]:
    """How many entries the archive's directory has, and how many bytes."""
    place = content.rfind(_END, max(len(content) - _END_SIZE - _MAX_COMMENT, 0))
    if place < 0 or place + _END_SIZE > len(content):
        raise CheckpointError(
            f"{path} is cut short: it begins as torch.save writes it, but the directory at its end"
            " is missing; download it again"
        )
    _, _, _, _, count, size, _, _ = struct.unpack("<4s4H2LH", content[place : place + _END_SIZE])
    before = place - _LOCATOR_SIZE
    if before >= 0 and content[before : before + 4] == _LOCATOR:
        (place,) = struct.unpack("<Q", content[before + 8 : before + 16])
        end = content[place : place + _END64_SIZE]
        if len(end) == _END64_SIZE and end[:4] == _END64:
            count, size = struct.unpack("<2Q", end[32:48])
    return count, size


def _record(path: Path, content: mmap, entry: zipfile.ZipInfo) -> Record:
    name = entry.filename
    if entry.flag_bits & _ENCRYPTED:
        raise CheckpointError(f"{path} is encrypted: unpack it with its password and save it again")
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise CheckpointError(
            f"{path} holds {name!r} compressed, which torch.save never does: unpack it and save"
            " it again with torch.save, or fetch the file as published"
        )
    local = content[entry.header_offset : entry.header_offset + _LOCAL_SIZE]
    if len(local) < _LOCAL_SIZE or local[:4] != _LOCAL:
        raise CheckpointError(
            f"{path} is damaged: its record {name!r} is not there; fetch it again"
        )
    name_size, extra_size = struct.unpack("<2H", local[26:30])
    start = entry.header_offset + _LOCAL_SIZE + name_size + extra_size
    if start + entry.file_size > len(content):
        raise CheckpointError(
            f"{path} is cut short: its record {name!r} would end at byte {start + entry.file_size},"
            f" the file has {len(content)}; download it again"
        )
    return Record(start, entry.file_size)


def _refuse_overlap(path: Path, records: Mapping[str, Record]) -> None:
    end = 0
    for record in sorted(records.values(), key=lambda one: (one.start, one.size)):
        if record.start < end:
            raise CheckpointError(
                f"{path} has records that lie in one another, as zip bombs have: fetch it again"
                " from a source you trust"
            )
        end = record.start + record.size


def _folder(path: Path, names: Sequence[str]) -> str:
    """The folder of a checkpoint's records; raises CheckpointError if these are no checkpoint's."""
    folders = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
    if not folders or folders[0].count("/") != 1 or len(set(folders)) > 1:
        raise CheckpointError(_what_else(path, names))
    if f"{folders[0]}constants.pkl" in names:
        raise CheckpointError(
            f"{path} is a TorchScript program, not a checkpoint: load it where you trust it, and"
            " save the state_dict() of it as safetensors"
        )
    return folders[0]


def _what_else(path: Path, names: Sequence[str]) -> str:
    if names and all(name.endswith(".npy") for name in names):
        return f"{path} holds NumPy arrays, not a checkpoint: save its tensors as safetensors"
    inside = [name for name in names if name.endswith((".pt", ".pth", ".ckpt", ".bin"))]
    if inside:
        return f"{path} is a zip archive around {inside[0]!r}: unpack it and give that file"
    return f"{path} is a zip archive, but not one of torch.save (no data.pkl): give a checkpoint"
