"""Machines without a card: TensorRT and CUDA are stood for by recorders."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from encoder.bundle import Bundle, load_bundle
from encoder.manifest import write_manifest
from encoder.tensorrt.installed import find_machine
from encoder.tensorrt.key import BuildOptions
from encoder.tensorrt.ordering import EngineShop
from encoder.tensorrt.runtime import TensorRTRunner
from encoder.tensorrt.store import Engine
from tests.encoder.models import SPACE, manifest, save_tokenizer, save_video_model
from tests.encoder.tensorrt.graphs import save_graph

FAKES = Path(__file__).parent / "fakes"
MODULES = ("tensorrt", "cuda", "cuda.bindings", "cuda.bindings.runtime")
Say = Callable[..., None]
Build = Callable[..., Engine]


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """`tensorrt` and `card`, here and in processes that are started."""
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FAKES), str(Path.cwd())]))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    loaded = [importlib.import_module(name) for name in MODULES]
    for name in MODULES:  # or they would be what there was before, when all this is undone
        del sys.modules[name]
    for name, module in zip(MODULES, loaded, strict=True):
        monkeypatch.setitem(sys.modules, name, module)
    tensorrt, *_, runtime = loaded
    return SimpleNamespace(tensorrt=tensorrt, card=runtime.reset(), runtime=runtime)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    """Tell the fake TensorRT what to do; `card` tells the fake card."""

    def tell(card: dict[str, Any] | None = None, **told: Any) -> None:
        monkeypatch.setenv("FAKE_TENSORRT", json.dumps(told))
        if card is not None:
            monkeypatch.setenv("FAKE_CARD", json.dumps(card))
            sys.modules["cuda.bindings.runtime"].reset()  # type: ignore[attr-defined]

    return tell


@pytest.fixture
def quick(tmp_path: Path) -> Bundle:
    """A bundle with a graph for TensorRT, whose weights lie in a file of their own."""
    folder = tmp_path / "quick"
    folder.mkdir()
    save_video_model(folder / "video.onnx")
    save_graph(folder / "video_tensorrt.onnx")
    (folder / "video_tensorrt.onnx.data").write_bytes(b"weights")
    save_tokenizer(folder / "tokenizer.json")
    write_manifest(folder, manifest("quick", SPACE))
    return load_bundle(folder)


@pytest.fixture
def shop(fakes: SimpleNamespace, tmp_path: Path) -> EngineShop:
    return EngineShop(find_machine(0), root=tmp_path / "engines")


@pytest.fixture
def build(shop: EngineShop, quick: Bundle, say: Say) -> Build:
    """An engine whose plan says `plan` as well."""

    def make(max_batch: int = 4, **plan: object) -> Engine:
        say(plan=plan)
        return shop.build(quick, BuildOptions(max_batch=max_batch), force=True)[0]

    return make


@pytest.fixture
def runner(build: Build) -> Iterator[TensorRTRunner]:
    loaded = TensorRTRunner(build(5))
    yield loaded
    loaded.close()
