"""Which format a file has by its first bytes, and what else people save under such a name."""

import os
import re
import stat
from pathlib import Path
from typing import Literal

from encoder.errors import CheckpointError

Format = Literal["safetensors", "zip"]
SNIFFED = 512  # bytes; a Git LFS pointer is shorter than that
_SAFETENSORS_START = 9  # an eight-byte length and the header's brace
_MAX_HEADER = 100_000_000  # what the safetensors library takes at most

_LEGACY = (
    "{path} is a checkpoint in torch's old format, which cannot be read without running code from"
    " it: on a machine where you trust the file, save it again with"
    " torch.save(state_dict, 'new.pt') of torch 1.6 or later, or as safetensors"
)
_HTML = (
    "{path} is a web page, not a checkpoint: the download led to a sign-in or error page; accept"
    " the model's terms, sign in and download the file itself"
)
_POINTER = (
    "{path} is a Git LFS pointer, not the checkpoint itself: run `git lfs pull` where you cloned"
    " it, or download the file from its page"
)
_JSON = (
    "{path} is JSON text, not a checkpoint: an error message of the server, a configuration or an"
    " index of parts; give the weights themselves"
)
_PACKED = "{path} is packed ({what}): unpack it and give the checkpoint inside"
_NUMPY = "{path} holds NumPy arrays, not a checkpoint: save its tensors as safetensors"
_ONNX_OR_OTHER = (
    "{path} is neither safetensors nor a checkpoint of torch.save (it begins with {start!r}): give"
    " the file as the authors published it"
)
# First bytes, and the sentence for what they are
_KNOWN: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"version https://git-lfs\.github\.com/spec/"), _POINTER),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|head|body)", re.IGNORECASE), _HTML),
    (re.compile(rb"(\xef\xbb\xbf)?\s*[{\[]\s*[\"{}\]\[]"), _JSON),
    (re.compile(rb"\x93NUMPY"), _NUMPY),
    (re.compile(rb"\x1f\x8b"), _PACKED.replace("{what}", "gzip")),
    (re.compile(rb"BZh"), _PACKED.replace("{what}", "bzip2")),
    (re.compile(rb"\xfd7zXZ"), _PACKED.replace("{what}", "xz")),
    (re.compile(rb"\x28\xb5\x2f\xfd"), _PACKED.replace("{what}", "zstd")),
    (re.compile(rb"Rar!"), _PACKED.replace("{what}", "rar")),
    (re.compile(rb"7z\xbc\xaf"), _PACKED.replace("{what}", "7-zip")),
    (re.compile(rb"\x80[\x00-\x05]|.{257}ustar", re.DOTALL), _LEGACY),
)


def regular_size(path: Path) -> int:
    """The size in bytes of a regular file; raises CheckpointError if it is anything else."""
    try:
        found = path.stat()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if stat.S_ISDIR(found.st_mode):
        raise CheckpointError(f"{path} is a folder: give the checkpoint file inside it")
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError(f"{path} is no regular file: save the checkpoint to a disk first")
    if not found.st_size:
        raise CheckpointError(f"{path} is empty: the download did not begin, fetch it again")
    if not os.access(path, os.R_OK):
        raise CheckpointError(f"{path} cannot be read: Permission denied")
    return found.st_size


def format_of(path: Path, start: bytes, size: int) -> Format:
    """What a file is by its first bytes `start` (up to SNIFFED) and its `size`, whatever its name.

    Raises CheckpointError, saying what the file is instead and what to do.
    """
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if _begins_safetensors(path, start, size):
        return "safetensors"
    for pattern, sentence in _KNOWN:
        if pattern.match(start):
            raise CheckpointError(sentence.replace("{path}", str(path)))
    if not start.strip(b"\x00"):
        raise CheckpointError(f"{path} holds zeros: it was reserved but never filled, fetch again")
    raise CheckpointError(_ONNX_OR_OTHER.format(path=path, start=start[:8]))


def _begins_safetensors(path: Path, start: bytes, size: int) -> bool:
    """Whether a safetensors header begins here; raises CheckpointError if it cannot be whole."""
    if len(start) < _SAFETENSORS_START or start[8:9] != b"{":
        return False
    header = int.from_bytes(start[:8], "little")
    if header > _MAX_HEADER:
        if all(32 <= byte < 127 for byte in start[:8]):  # text whose ninth letter is a brace
            return False
        raise CheckpointError(
            f"{path} claims a safetensors header of {header} bytes, more than any has: it is"
            " damaged, fetch it again"
        )
    if 8 + header > size:
        raise CheckpointError(
            f"{path} is cut short: its safetensors header alone has {header} bytes, the file has"
            f" {size}; download it again"
        )
    return True
