"""torch archives put together by hand, opcode for opcode: honest, damaged and hostile ones."""

import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

TRUE, FALSE, NONE = b"\x88", b"\x89", b"N"
STORAGES = {
    torch.float32: "FloatStorage",
    torch.float64: "DoubleStorage",
    torch.float16: "HalfStorage",
    torch.bfloat16: "BFloat16Storage",
    torch.int64: "LongStorage",
}


def name(module: str, attribute: str) -> bytes:
    """GLOBAL: where an honest reader would import something."""
    return f"c{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    size = (value.bit_length() + 8) // 8
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def list_of(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def dict_of(items: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def call(callee: bytes, *arguments: bytes) -> bytes:
    """REDUCE: where an honest reader would call something."""
    return callee + tuple_of(*arguments) + b"R"


def built(module: str, attribute: str, state: bytes) -> bytes:
    """An object of some class (NEWOBJ) with its state (BUILD)."""
    return name(module, attribute) + b")\x81" + state + b"b"


def integers(values: Iterable[int]) -> bytes:
    return tuple_of(*(integer(value) for value in values))


def stored(record: str, count: int, kind: str = "FloatStorage") -> bytes:
    """The persistent id of a storage."""
    parts = (text("storage"), name("torch", kind), text(record), text("cpu"), integer(count))
    return tuple_of(*parts) + b"Q"


def tensor_of(storage: bytes, size: Iterable[int], stride: Iterable[int], offset: int = 0) -> bytes:
    """A tensor over a storage, whatever it claims."""
    hooks = call(name("collections", "OrderedDict"))
    shape = (integer(offset), integers(size), integers(stride))
    return call(name("torch._utils", "_rebuild_tensor_v2"), storage, *shape, FALSE, hooks)


def tensors(state: Mapping[str, Tensor], records: dict[str, bytes]) -> dict[str, bytes]:
    """The opcodes of each tensor; its bytes go into `records`."""
    made = {}
    for key, value in state.items():
        record = str(len(records))
        flat = value.detach().contiguous().flatten()
        records[f"data/{record}"] = flat.view(torch.uint8).numpy().tobytes()
        storage = stored(record, value.numel(), STORAGES[value.dtype])
        made[key] = tensor_of(storage, value.shape, value.contiguous().stride())
    return made


def write_archive(
    path: Path, body: bytes, records: Mapping[str, bytes] | None = None, compression: int = 0
) -> Path:
    """What torch.save writes: the pickle of `body`, and its records, aligned to 64 bytes."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        files = {"data.pkl": b"\x80\x02" + body + b".", "byteorder": b"little", "version": b"3\n"}
        for inner, data in {**files, **(records or {})}.items():
            entry = zipfile.ZipInfo(f"archive/{inner}")
            entry.compress_type = compression
            start = archive.fp.tell() + 30 + len(entry.filename)  # of the data, without padding
            padding = -(start + 4) % 64
            entry.extra = struct.pack("<2H", 0x4246, padding) + b"Z" * padding
            archive.writestr(entry, data)
    return path


def write_lightning(
    path: Path,
    state: Mapping[str, Tensor],
    extra: Mapping[str, bytes] | None = None,
) -> Path:
    """A checkpoint as Lightning and Hydra leave it: foreign classes, optimiser, loops, callbacks.

    None of the classes that it names can be imported here.
    """
    records: dict[str, bytes] = {}
    weights = b"".join(text(key) + made for key, made in tensors(state, records).items())
    metadata = built("omegaconf.base", "ContainerMetadata", dict_of({"ref_type": NONE}))
    config = built(
        "omegaconf.dictconfig",
        "DictConfig",
        dict_of(
            {"_metadata": metadata, "_parent": NONE, "_content": dict_of({"lr": text("5e-4")})}
        ),
    )
    partial = call(name("functools", "partial"), name("torch.optim.adamw", "AdamW"))
    moments = tensors({"exp_avg": torch.zeros(3), "exp_avg_sq": torch.ones(3)}, records)
    root = {
        "epoch": integer(99),
        "global_step": integer(12_345),
        "pytorch-lightning_version": text("2.1.3"),
        # an OrderedDict with _metadata set on it, as Module.state_dict() returns
        "state_dict": call(name("collections", "OrderedDict"))
        + b"("
        + weights
        + b"u"
        + dict_of({"_metadata": call(name("collections", "OrderedDict"))})
        + b"b",
        "loops": dict_of({"fit_loop": dict_of({"state_dict": dict_of({})})}),
        "callbacks": dict_of(
            {
                "ModelCheckpoint{'monitor': 'val/mAP'}": dict_of(
                    {"best_model_path": built("pathlib", "PosixPath", tuple_of(text("/best.ckpt")))}
                )
            }
        ),
        "optimizer_states": list_of(
            dict_of({"state": b"}" + integer(0) + dict_of(moments) + b"s", "param_groups": b"]"})
        ),
        "lr_schedulers": list_of(
            built("src.utils.schedulers", "WarmupMultiStepLR", dict_of({"last_epoch": integer(99)}))
        ),
        "hparams_name": text("kwargs"),
        "hyper_parameters": dict_of(
            {
                "optimizer": partial,
                "preparator": built("src.data.preparator", "Preparator", dict_of({})),
                "config": config,
                "metrics_mode": call(
                    name("builtins", "getattr"), name("src.metrics", "Mode"), text("FULL")
                ),
            }
        ),
    }
    return write_archive(path, dict_of({**root, **(extra or {})}), records)
