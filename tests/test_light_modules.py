"""Importing a module has no effects and costs little: heavy libraries belong to single files."""

import fnmatch
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import ROOT, imports_of, module_name, python_files

HEAVY = (
    "av",
    "cuda",
    "kafka",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "PIL",
    "scipy",
    "tensorrt",
    "torch",
)

# Which files may import what when they are imported themselves. Everything else is light.
OWNERS = {
    "deploy/bench/eager_tower.py": {"torch"},
    "streamer/jpeg.py": {"PIL"},
    "streamer/kafka_client.py": {"kafka"},
    "streamer/ffmpeg/*.py": {"av"},
    "streamer/evidence/media/*.py": {"av"},
    "streamer/evidence/pictures.py": {"PIL"},
    "encoder/session.py": {"onnxruntime"},
    "encoder/bert.py": {"torch"},
    "encoder/checkpoint/*.py": {"torch"},
    "encoder/efficientnet.py": {"torch"},
    "encoder/export.py": {"torch", "onnx"},
    "encoder/int8.py": {"torch", "onnx"},
    "encoder/internvideo2/*.py": {"torch", "onnx"},
    "encoder/minilm.py": {"torch"},
    "encoder/onnx_weights.py": {"onnx"},
    "encoder/training/*.py": {"av", "torch", "onnx", "onnxscript", "onnxruntime", "scipy"},
    "grounding/training/*.py": {"av", "torch", "onnx", "onnxscript", "onnxruntime", "scipy"},
    "grounding/sgdetr/*.py": {"torch", "onnx", "scipy"},
}
# What stands on an owner and is imported, as it is, only by whoever needs it
HEAVY_BY_OTHERS = (
    "streamer/kafka_*.py",
    "streamer/source.py",
    "streamer/evidence/segment_*.py",
    "streamer/evidence/event_media.py",
    "deploy/convert/read.py",
    "deploy/convert/run.py",
)
FILES = {module_name(path): path for path in python_files()}


def owned(path: str) -> set[str]:
    return {name for glob, names in OWNERS.items() if fnmatch.fnmatch(path, glob) for name in names}


def heavy_at_import(path: os.PathLike[str]) -> set[str]:
    roots = {found.module.split(".")[0] for found in imports_of(path) if found.at_import}
    return roots & set(HEAVY)


def may_be_heavy(path: Path) -> bool:
    name = str(path.relative_to(ROOT))
    return bool(owned(name)) or any(fnmatch.fnmatch(name, glob) for glob in HEAVY_BY_OTHERS)


def test_heavy_libraries_are_imported_by_their_owners_only() -> None:
    broken = {
        str(path.relative_to(ROOT)): sorted(extra)
        for path in python_files()
        if (extra := heavy_at_import(path) - owned(str(path.relative_to(ROOT))))
    }
    assert not broken


def reaches_heavy(name: str, seen: set[str]) -> bool:
    """Whether importing the module `name` imports a heavy library, itself or through others."""
    path = FILES.get(name)
    if path is None or name in seen:
        return False
    seen.add(name)
    if heavy_at_import(path):
        return True
    package = name.rpartition(".")[0]  # importing a module imports the packages it lies in
    imported = [found.module for found in imports_of(path) if found.at_import]
    return any(reaches_heavy(module, seen) for module in (package, *imported))


@pytest.fixture(scope="module")
def light_modules() -> list[str]:
    return [
        name
        for name, path in FILES.items()
        if path.stem != "__main__" and not (may_be_heavy(path) and reaches_heavy(name, set()))
    ]


def test_light_modules_import_in_a_bare_interpreter(light_modules: list[str]) -> None:
    program = (
        "import importlib, sys\n"
        f"for name in {light_modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    loaded = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]\n"
        "    assert not loaded, f'{name} loads {loaded}'\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_there_are_light_modules(light_modules: list[str]) -> None:
    assert {"streamer.clip", "encoder.embedding", "grounding.query", "deploy"} <= set(light_modules)
