"""What stands for TensorRT and CUDA here has the names that the real ones have."""

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest

from encoder.errors import EncoderError
from encoder.tensorrt import cuda
from encoder.tensorrt.cuda import Cuda

HIDDEN = {"__init__", "__iter__", "__len__", "__int__"}


def members_of_stub(path: Path) -> dict[str, set[str]]:
    """Classes of `typings/tensorrt` that are TensorRT's, and what they have."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name: {
            item.name if isinstance(item, ast.FunctionDef | ast.ClassDef) else item.target.id
            for item in node.body
            if isinstance(item, ast.FunctionDef | ast.ClassDef | ast.AnnAssign)
        }
        - HIDDEN
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }


def members_of_fake(kind: type) -> set[str]:
    found = {name for name in vars(kind) if not name.startswith("_")}
    source = ast.parse(inspect.getsource(kind))
    for node in ast.walk(source):  # what __init__ sets is a member too
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found |= {node.attr} - {node.attr if node.attr.startswith("_") else ""}
    return found


def test_the_fake_tensorrt_has_its_names_and_no_others(
    fakes: SimpleNamespace, repository: Path
) -> None:
    stub = members_of_stub(repository / "typings" / "tensorrt" / "__init__.pyi")
    fake = {
        name: members_of_fake(kind)
        for name, kind in vars(fakes.tensorrt).items()
        if inspect.isclass(kind) and kind.__module__ == "tensorrt" and not name.startswith("_")
    }
    assert fake == stub


def test_the_real_cuda_takes_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a card every call fails, but as an error of CUDA's: the arguments were right."""
    real = pytest.importorskip("cuda.bindings.runtime")
    if int(real.cudaGetDeviceCount()[0]) == 0:
        pytest.skip("there is a card: tests/gpu runs the calls themselves")
    monkeypatch.setattr(Cuda, "use", lambda _self: None)
    card = Cuda(0)
    stream, event = 8, real.cudaEvent_t(8)
    import numpy as np

    host = np.zeros(4, np.uint8)
    for call in (
        lambda: Cuda._call(card, "cudaSetDevice", 0),
        card.memory,
        lambda: card.allocate(4),
        lambda: card.pinned((4,), np.uint8),
        card.stream,
        card.event,
        lambda: card.record(event, stream),
        lambda: card.follow(stream, event),
        lambda: card.wait(event),
        lambda: card.finish(stream),
        lambda: card.upload(4096, host, 4, stream),
        lambda: card.download(host, 4096, 4, stream),
        lambda: card.capture(lambda: None, stream),
        lambda: card.launch(real.cudaGraphExec_t(8), stream),
    ):
        with pytest.raises(EncoderError, match=r"CUDA|driver"):
            call()
    assert cuda.GIGABYTE == 1e9
