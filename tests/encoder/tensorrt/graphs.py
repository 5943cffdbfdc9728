"""Small graphs in ONNX with the operators of a video tower; never run, only read."""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

TOWER = ("Cast", "Conv", "RMSNormalization", "Attention", "Gelu", "LayerNormalization", "MatMul")


def save_graph(path: Path, operators: Sequence[str] = TOWER, opset: int = 23) -> None:
    nodes = [
        helper.make_node(name, [f"x{i}"], [f"x{i + 1}"], name=f"/blocks.0/{name}")
        for i, name in enumerate(operators)
    ]
    graph = helper.make_graph(nodes, "tower", [], [])
    save(path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]))


def save_graph_of_everything(path: Path) -> None:
    """A subgraph, a function of its own, another domain, and a large weight to step over."""
    inner = helper.make_graph([helper.make_node("Tanh", ["a"], ["b"])], "then", [], [])
    other = helper.make_graph([helper.make_node("Erf", ["a"], ["b"])], "else", [], [])
    own = helper.make_function(
        "ours",
        "norm",
        ["x"],
        ["y"],
        [helper.make_node("Sqrt", ["x"], ["y"])],
        [helper.make_opsetid("", 23)],
    )
    nodes = [
        helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=other),
        helper.make_node("norm", ["d"], ["e"], domain="ours"),
        helper.make_node("FusedThing", ["e"], ["f"], domain="com.vendor"),
        helper.make_node("Add", ["e", "f"], ["g"], domain="ai.onnx"),
    ]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4096], b"\x7f" * 16384, raw=True)
    graph = helper.make_graph(nodes, "all", [], [], [weight])
    save(path, helper.make_model(graph, functions=[own], producer_name="tests"))


def save(path: Path, model: onnx.ModelProto) -> None:
    path.write_bytes(model.SerializeToString())
