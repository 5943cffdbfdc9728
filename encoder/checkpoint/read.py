"""A checkpoint's tensors: safetensors, torch's archives, and Lightning's with foreign classes."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BufferedReader
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from encoder.checkpoint.archive import Record, read_archive
from encoder.checkpoint.foreign import refuse_harmful, refuse_unknown
from encoder.checkpoint.pickle_data import PickleError, read_pickle
from encoder.checkpoint.sniff import SNIFFED, format_of, regular_size
from encoder.checkpoint.tensors import TensorFile, describe, is_tensor
from encoder.errors import CheckpointError

Layout = Literal["safetensors", "torch", "lightning"]
ROOTS = ("module", "model", "state_dict")  # DeepSpeed's, many authors', Lightning's
LIGHTNING_MARKS = ("pytorch-lightning_version", "hyper_parameters", "loops", "callbacks")
MAX_PICKLE = 64 * 2**20  # bytes; that of a 6B-parameter network has under one million


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The tensors of a file under the names they have there.

    They are the file's own memory, mapped and copied only where written to: leave the file as it
    is for as long as they are used.
    """

    path: Path
    sha256: str
    state: dict[str, Tensor]
    layout: Layout


def read_state(path: str | Path) -> Checkpoint:
    """Read a checkpoint that may come from anywhere; what it is, its content says, not its name.

    Pickled code is never run and nothing is unpacked: a tensor is read where it lies. The tensors
    are those under `module`, `model` or `state_dict`, or, with none of these, at the root.
    A Lightning file may hold objects of foreign classes beside its weights; any other may not.
    Raises CheckpointError, saying what the file is and what to do.
    """
    path = Path(path)
    size = regular_size(path)
    try:
        with path.open("rb") as file:
            kind = format_of(path, file.read(SNIFFED), size)
            layout, state = _safetensors(path) if kind == "safetensors" else _archive(path, file)
            return Checkpoint(path, _sha256(file), state, layout)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def check_finite(checkpoint: Checkpoint, keys: Iterable[str] | None = None) -> None:
    """Raise CheckpointError if a tensor (of `keys`, or any) holds NaN or infinity."""
    wanted = checkpoint.state if keys is None else keys
    bad = [key for key in wanted if not _finite(checkpoint.state[key])]
    if bad:
        more = f" and {len(bad) - 1} more tensors" if len(bad) > 1 else ""
        raise CheckpointError(
            f"{checkpoint.path}: {bad[0]}{more} holds NaN or infinity: the training that wrote it"
            " diverged, or the file is damaged; take an earlier checkpoint or fetch it again"
        )


def _sha256(file: BufferedReader) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _finite(tensor: Tensor) -> bool:
    if not tensor.dtype.is_floating_point:
        return True
    # One pass without a second tensor of that size: NaN and infinity survive a minimum or maximum
    low, high = tensor.aminmax() if tensor.numel() else (torch.zeros(()), torch.zeros(()))
    return bool(low.isfinite() & high.isfinite())


def _safetensors(path: Path) -> tuple[Layout, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(
            f"{path} is a damaged or half-downloaded safetensors file ({error}): fetch it again"
        ) from error
    if not state:
        raise CheckpointError(f"{path} holds no tensor: give a checkpoint with weights")
    return "safetensors", state


def _archive(path: Path, opened: BufferedReader) -> tuple[Layout, dict[str, Tensor]]:
    content = mmap(opened.fileno(), 0, access=ACCESS_COPY)
    records = read_archive(path, content)
    _refuse_big_endian(path, content, records)
    found = records["data.pkl"]
    if found.size > MAX_PICKLE:
        raise CheckpointError(
            f"{path} has a pickle of {found.size} bytes beside its tensors, more than {MAX_PICKLE}:"
            " save its state_dict alone"
        )
    try:
        pickled = read_pickle(content[found.start : found.start + found.size])
    except PickleError as error:
        raise CheckpointError(f"{path} cannot be read: {error}; fetch it again") from error
    refuse_harmful(path, pickled.names)
    root = pickled.value
    lightning = isinstance(root, dict) and any(mark in root for mark in LIGHTNING_MARKS)
    if not lightning:
        refuse_unknown(path, pickled.names)
    described = _weights(path, root, lightning)
    file = TensorFile(path, content, records)
    state = {key: file.tensor(key, value) for key, value in described.items()}
    return "lightning" if lightning else "torch", state


def _weights(path: Path, root: Any, lightning: bool) -> Mapping[str, Any]:
    """The mapping of names to tensors in a checkpoint's `root`."""
    if not isinstance(root, dict):
        raise CheckpointError(
            f"{path} holds {describe(root)}, not a dictionary of tensors: save its state_dict()"
        )
    for name in ROOTS[2:] if lightning else ROOTS:
        inner = root.get(name)
        if isinstance(inner, dict) and any(is_tensor(value) for value in inner.values()):
            return _named(path, inner)
    if not lightning and any(is_tensor(value) for value in root.values()):
        return _named(path, root)
    present = ", ".join(sorted(str(key) for key in root)[:8]) or "nothing"
    wanted = "`state_dict`" if lightning else "`module`, `model`, `state_dict` or at its root"
    raise CheckpointError(f"{path} holds no weights in {wanted}: there is {present}")


def _named(path: Path, weights: Mapping[Any, Any]) -> Mapping[str, Any]:
    for key in weights:
        if type(key) is not str:
            raise CheckpointError(f"{path}: {key!r} names a tensor; only text does: fetch it again")
    return weights


def _refuse_big_endian(path: Path, content: mmap, records: Mapping[str, Record]) -> None:
    order = records.get("byteorder")
    if order is not None and content[order.start : order.start + 16][: order.size] != b"little":
        raise CheckpointError(
            f"{path} was written on a big-endian machine: save it again as safetensors"
        )
