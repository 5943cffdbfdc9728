"""Tensors out of a torch archive: every claim is checked, then the file's own bytes are mapped."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from encoder.checkpoint.archive import Record
from encoder.checkpoint.pickle_data import Made, Named, Stored
from encoder.errors import CheckpointError

MAX_AXES = 16
STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_REBUILD = ("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = ("torch._utils", "_rebuild_parameter")
# What a checkpoint of tensors names; nothing of it is imported
KNOWN = frozenset(
    Named(*name)
    for name in (
        _REBUILD,
        _PARAMETER,
        ("collections", "OrderedDict"),
        ("torch", "Size"),
        ("torch", "device"),
        *(("torch", kind) for kind in STORAGES),
    )
)


class _Claim(NamedTuple):
    """What a pickle says of one tensor."""

    storage: Any
    offset: Any
    size: Any
    stride: Any


@dataclass(frozen=True, slots=True, eq=False)
class TensorFile:
    """An archive's bytes, and where its storages lie in them."""

    path: Path
    content: mmap
    records: Mapping[str, Record]

    def tensor(self, key: str, value: Any) -> Tensor:
        """The tensor that `value` of the pickle describes, over the file's own memory.

        Raises CheckpointError, naming `key`, if it is none or claims what the file does not hold.
        """
        claim = _claim(value)
        if claim is None:
            raise self._refusal(key, f"is {describe(value)}, not a tensor")
        whole = self._storage(key, claim)
        return whole.as_strided(*self._layout(key, claim, whole.numel()))

    def _storage(self, key: str, claim: _Claim) -> Tensor:
        """A claim's whole storage, flat: [numbers]."""
        identity = claim.storage.identity if isinstance(claim.storage, Stored) else None
        match identity:
            case ("storage", Named(_, kind), str(record), str(_), int(count)):
                pass
            case _:
                raise self._refusal(key, "has no storage that torch could have written")
        dtype = STORAGES.get(kind)
        if dtype is None:
            raise self._refusal(key, f"has numbers of a kind {kind!r} that is not read")
        found = self.records.get(f"data/{record}")
        if found is None:
            raise self._refusal(key, f"lies in a record data/{record} that is not there")
        if not 0 <= count * dtype.itemsize <= found.size:
            raise self._refusal(
                key, f"claims a storage of {count}, its record has {found.size} bytes"
            )
        return self._mapped(found.start, count, dtype)

    def _mapped(self, start: int, numbers: int, dtype: torch.dtype) -> Tensor:
        if not numbers:
            return torch.empty(0, dtype=dtype)
        if start % dtype.itemsize:  # torch aligns its records; what others wrote is copied
            end = start + numbers * dtype.itemsize
            return torch.frombuffer(bytearray(self.content[start:end]), dtype=dtype)
        return torch.frombuffer(self.content, dtype=dtype, count=numbers, offset=start)

    def _layout(self, key: str, claim: _Claim, held: int) -> tuple[list[int], list[int], int]:
        """Size, stride and offset, if they stay within the `held` numbers of the storage."""
        size, stride, offset = _whole(claim.size), _whole(claim.stride), claim.offset
        if size is None or stride is None or type(offset) is not int:
            raise self._refusal(key, "has a shape that is no row of whole numbers")
        if len(size) != len(stride) or len(size) > MAX_AXES:
            raise self._refusal(key, f"has {len(size)} axes and {len(stride)} strides")
        if min([offset, *size, *stride]) < 0:
            raise self._refusal(key, "has a negative offset, size or stride")
        numbers = math.prod(size)
        steps = ((count - 1) * step for count, step in zip(size, stride, strict=True))
        last = offset + sum(steps) + 1 if numbers else offset
        if numbers > held or last > held:
            wanted = max(numbers, last)
            raise self._refusal(key, f"claims {wanted} numbers, its storage holds {held}")
        return size, stride, offset

    def _refusal(self, key: str, what: str) -> CheckpointError:
        return CheckpointError(
            f"{self.path}: {key!r} {what}; the file is damaged or made to harm: fetch it again"
            " from a source you trust"
        )


def is_tensor(value: Any) -> bool:
    """Whether a value of a pickle claims to be a tensor."""
    return _claim(value) is not None


def describe(value: Any) -> str:
    """What a value of a pickle is, in a few words."""
    if isinstance(value, Made) and isinstance(value.callee, Named):
        return f"a {value.callee.module}.{value.callee.name}"
    if isinstance(value, Named):
        return f"the name {value.module}.{value.name}"
    return f"a {type(value).__name__}"


def _claim(value: Any) -> _Claim | None:
    if not isinstance(value, Made) or not isinstance(value.callee, Named):
        return None
    name, arguments = tuple(value.callee), value.arguments
    if name == _PARAMETER and type(arguments) is tuple and arguments:
        value = arguments[0]  # a parameter's tensor; a parameter of a parameter is none
        if not isinstance(value, Made) or not isinstance(value.callee, Named):
            return None
        name, arguments = tuple(value.callee), value.arguments
    if name != _REBUILD or type(arguments) is not tuple or len(arguments) < 6:
        return None
    return _Claim(*arguments[:4])


def _whole(value: Any) -> list[int] | None:
    """A row of whole numbers; torch writes a tuple, or a Size made of one."""
    if isinstance(value, Made) and value.callee == ("torch", "Size"):
        value = value.arguments[0] if type(value.arguments) is tuple and value.arguments else None
    if type(value) is not tuple or any(type(number) is not int for number in value):
        return None
    return list(value)
