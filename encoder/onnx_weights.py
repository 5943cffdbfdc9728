"""ONNX weights stored in half precision: half the file, while everything is computed in float32."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 256  # elements; what is smaller saves nothing
LIMIT = float(np.finfo(np.float16).max)


def store_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` whose large float32 weights are float16, each behind a Cast to float32.

    ONNX Runtime folds the casts when it loads the file, so the speed is that of float32. A weight
    beyond float16's range (65504) keeps its precision.
    """
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    graph = stored.graph
    casts = []
    for number, weight in enumerate(graph.initializer):
        halved = _halved(weight)
        if halved is None:
            continue
        name = weight.name
        halved.name = f"{name}/fp16"
        graph.initializer[number].CopyFrom(halved)
        casts.append(
            helper.make_node(
                "Cast", [halved.name], [name], name=f"{name}/fp32", to=TensorProto.FLOAT
            )
        )
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])  # a weight's cast stands before whatever reads it
    _forget_inputs(graph, {cast.output[0] for cast in casts})
    _forget_origins(graph)
    return stored


def store_fp16_file(source: Path, target: Path) -> None:
    """`store_fp16` from file to file; they may be the same."""
    onnx.save(store_fp16(onnx.load(source)), target)


def _halved(weight: TensorProto) -> TensorProto | None:
    """The weight as float16, or None if it should stay as it is."""
    if weight.data_type != TensorProto.FLOAT:
        return None
    values = numpy_helper.to_array(weight)
    if values.size < SMALLEST or not np.all(np.abs(values) <= LIMIT):
        return None
    return numpy_helper.from_array(values.astype(np.float16))


def _forget_origins(graph: onnx.GraphProto) -> None:
    """Exporters note for every node which Python line it came from: megabytes nobody reads."""
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]  # shapes inside the graph, which ONNX Runtime infers again


def _forget_inputs(graph: onnx.GraphProto, names: set[str]) -> None:
    """Old files list weights among the inputs too; a cast's output must not be one."""
    kept = [value for value in graph.input if value.name not in names]
    del graph.input[:]
    graph.input.extend(kept)
