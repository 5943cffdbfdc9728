"""A bundle like that of `colour_bundle`, whose detector takes its time on each pair.

The work is real, matrices that are multiplied for nothing, and fitted to the machine.
"""

import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from encoder.manifest import read_manifest, write_manifest
from tests.e2e.colour_bundle import SPACE, make_colour_bundle

SIZE = 800  # of the matrices
MEASURED = 8  # products, to see how long one takes

node = helper.make_node


def make_slow_bundle(folder: Path, pair_seconds: float) -> Path:
    """A bundle whose detector needs about so long for a pair, on one thread of this machine."""
    make_colour_bundle(folder)
    path = folder / "detector.onnx"
    quick = path.read_bytes()
    _burden(path, MEASURED)
    each = _seconds(path) / MEASURED
    path.write_bytes(quick)
    _burden(path, max(1, round(pair_seconds / each)))
    write_manifest(folder, read_manifest(folder))
    return folder


def _burden(path: Path, products: int) -> None:
    """Adds nought to the saliency, which it takes so many products of matrices to find out."""
    model = onnx.load(path)
    graph = model.graph
    for one in graph.node:
        one.output[:] = ["quick" if name == "scaled" else name for name in one.output]
    work = [
        node("ReduceMean", ["video", "last_two"], ["mean"]),  # [B, 1, 1]
        node("Expand", ["mean", "square"], ["product_0"]),  # [B, N, N]
        *(
            node("MatMul", [f"product_{number}", "mixed"], [f"product_{number + 1}"])
            for number in range(products)
        ),
        node("ReduceMean", [f"product_{products}", "second"], ["rows"], keepdims=0),
        node("ReduceMean", ["rows", "second"], ["outcome"]),  # [B, 1]
        node("Mul", ["outcome", "nought"], ["nothing"]),
        node("Add", ["quick", "nothing"], ["scaled"]),
    ]
    at = next(i for i, one in enumerate(graph.node) if "quick" in one.output) + 1
    nodes = [*graph.node[:at], *work, *graph.node[at:]]
    del graph.node[:]
    graph.node.extend(nodes)
    weights = {
        "last_two": np.array([1, 2]),
        "square": np.array([1, SIZE, SIZE]),
        "mixed": np.full((SIZE, SIZE), 1 / SIZE, np.float32),
    }
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in weights.items()
    )
    onnx.save(model, path)


def _seconds(path: Path) -> float:
    """How long one pair takes, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    clips, words = 16, 3
    inputs = {
        "video": np.ones((1, clips, SPACE.dims), np.float32),
        "video_mask": np.ones((1, clips), np.float32),
        "text": np.ones((1, words, SPACE.dims), np.float32),
        "text_mask": np.ones((1, words), np.float32),
    }
    session.run(None, inputs)
    began = time.perf_counter()
    session.run(None, inputs)
    return time.perf_counter() - began
