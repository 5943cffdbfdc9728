"""Names in a pickle that no checkpoint of tensors needs, and what to say of them.

Nothing is ever imported or called. A file that asks for what can only do harm is refused all the
same: whoever made it meant it to be run, and other programs would.
"""

from collections.abc import Iterable
from pathlib import Path

from encoder.checkpoint.pickle_data import Named
from encoder.checkpoint.tensors import KNOWN
from encoder.errors import CheckpointError

_HARMFUL = """os posix nt posixpath subprocess sys shutil socket ctypes _ctypes importlib runpy pty
    code codeop imp webbrowser pdb bdb timeit trace cProfile profile multiprocessing threading
    _thread asyncio concurrent signal pickle _pickle marshal types inspect gc builtins __builtin__
    __builtins__ operator _operator pip setuptools pydoc urllib http ftplib smtplib requests dill
    cloudpickle joblib torch.serialization torch.hub torch.jit torch.package
    torch.utils.cpp_extension torch.utils._config_module numpy.testing"""
_PLAIN = """set frozenset bytearray complex range slice object dict list tuple int float str bool
    bytes getattr"""
HARMFUL_MODULES = frozenset(_HARMFUL.split())
HARMLESS = frozenset(
    Named(module, name) for module in ("builtins", "__builtin__") for name in _PLAIN.split()
) | {Named("types", "SimpleNamespace")}


def refuse_harmful(path: Path, names: Iterable[Named]) -> None:
    """Raise CheckpointError if any of `names` could only be there to be run."""
    for named in sorted(names):
        if _harmful(named):
            raise CheckpointError(
                f"{path} asks its reader to run {named.module}.{named.name}, which no checkpoint"
                " needs: nothing of it was run; do not open it elsewhere, delete it and fetch the"
                " authors' own file, as safetensors if they have it"
            )


def refuse_unknown(path: Path, names: Iterable[Named]) -> None:
    """Raise CheckpointError if any of `names` is not one of torch's own for tensors."""
    unknown = sorted(named for named in names if named not in KNOWN)
    for named in unknown:
        if named.name.lower() == "easydict" or "easydict" in named.module.lower():
            raise CheckpointError(
                f"{path} pickles its settings as {named.module}.{named.name}, as the official"
                " 6B file does, so it cannot be read without its authors' code. Convert it once,"
                " on a machine where you trust it and with their code on PYTHONPATH:"
                " state = torch.load(file, map_location='cpu', weights_only=False);"
                " state = state.get('module', state.get('model', state));"
                " safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()},"
                " 'model.safetensors'). Then give model.safetensors"
            )
    if unknown:
        first = f"{unknown[0].module}.{unknown[0].name}"
        more = f" and {len(unknown) - 1} more classes" if len(unknown) > 1 else ""
        raise CheckpointError(
            f"{path} holds objects of {first}{more} beside its tensors, and their code is not run:"
            " save its state_dict() alone, as safetensors or with torch.save"
        )


def _harmful(named: Named) -> bool:
    if named in HARMLESS:
        return False
    parts, reached = named.module.split("."), named.name.split(".")
    modules = {".".join(parts[: count + 1]) for count in range(len(parts))}
    # A dotted name, or getattr, reaches what a module imported for itself, or an object's insides
    inside = any(part.startswith("__") and part.endswith("__") for part in reached)
    return inside or bool((modules | set(reached[:-1])) & HARMFUL_MODULES)
