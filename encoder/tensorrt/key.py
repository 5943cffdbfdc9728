"""What an engine was made of, and the key that follows from it.

An engine is right for one model, one TensorRT, one kind of card and one set of options. All of that
stands in `EngineParts`; its SHA-256 names the engine's folder.
"""

import hashlib

import msgspec


class BuildOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How TensorRT is to build."""

    max_batch: int = 32  # clips in one run at most; kernels are chosen for this many
    workspace_bytes: int = 0  # 0: as much of the card as TensorRT likes
    level: int = 3  # 0 builds fast, 5 searches longest


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an engine runs."""

    tensorrt: str  # its version, as 11.4.0.106
    gpu: str
    compute_capability: str  # as 9.0
    system: str  # as linux-x86_64


class EngineParts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an engine depends on."""

    schema: int = 1
    files: dict[str, str]  # the model's files and their SHA-256, weights in a file of their own too
    machine: Machine
    options: BuildOptions

    @property
    def key(self) -> str:
        """The SHA-256 of all parts, in hexadecimal."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def difference(parts: EngineParts, files: dict[str, str], machine: Machine) -> str:
    """Why an engine of these parts may not run this model on this machine; "" if it may.

    Options do not count: whatever was built is what runs.
    """
    theirs = parts.machine
    told = []
    if (theirs.gpu, theirs.compute_capability) != (machine.gpu, machine.compute_capability):
        told.append(
            f"it is for {theirs.gpu} (compute capability {theirs.compute_capability}), this card is"
            f" {machine.gpu} ({machine.compute_capability})"
        )
    if theirs.tensorrt != machine.tensorrt:
        told.append(f"TensorRT {theirs.tensorrt} built it, this is {machine.tensorrt}")
    if theirs.system != machine.system:
        told.append(f"it is for {theirs.system}, this is {machine.system}")
    if parts.files != files:
        told.append("it was built from other weights")
    return "; ".join(told)
