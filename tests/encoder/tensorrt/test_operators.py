"""Operators are read from a graph's bytes as `onnx` reads them, and looked up before a build."""

from pathlib import Path

import onnx
import pytest

from encoder.errors import ModelError, RuntimeMissingError
from encoder.tensorrt.graph_operators import read_operators
from encoder.tensorrt.operators import KNOWN, SINCE, require_operators
from tests.encoder.models import save_text_model, save_video_model
from tests.encoder.tensorrt.graphs import TOWER, save_graph, save_graph_of_everything


def test_a_towers_operators(tmp_path: Path) -> None:
    save_graph(tmp_path / "tower.onnx")
    assert read_operators(tmp_path / "tower.onnx") == set(TOWER)


def test_subgraphs_functions_and_other_domains(tmp_path: Path) -> None:
    path = tmp_path / "all.onnx"
    save_graph_of_everything(path)
    assert read_operators(path) == {"If", "Tanh", "Erf", "Sqrt", "Add", "com.vendor.FusedThing"}


@pytest.mark.parametrize("save", [save_video_model, save_text_model])
def test_they_are_those_that_onnx_reads(tmp_path: Path, save) -> None:
    path = tmp_path / "model.onnx"
    save(path)
    assert read_operators(path) == {node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x3a\x7f", b"\x08\x0a"])
def test_a_file_that_is_no_graph(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx is no ONNX graph"):
        read_operators(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no ONNX graph"):
        read_operators(tmp_path / "none.onnx")


@pytest.mark.parametrize("version", ["10.15.1.29", "10.16.0", "11.0.0.1", "11.4.0.106"])
def test_a_tensorrt_that_is_new_enough(tmp_path: Path, version: str) -> None:
    save_graph(tmp_path / "tower.onnx")
    require_operators(tmp_path / "tower.onnx", version)


@pytest.mark.parametrize(
    ("operators", "version", "told"),
    [
        (TOWER, "10.14.1", "RMSNormalization came with 10.15"),
        (("Attention", "MatMul"), "10.13.0.35", "Attention came with 10.14"),
        (("MatMul",), "8.6.1", "MatMul came with 10.0"),
        (("MatMul", "DeformConv"), "10.0.1", "DeformConv came with 10.1"),
    ],
)
def test_a_tensorrt_that_is_too_old(
    tmp_path: Path, operators: tuple[str, ...], version: str, told: str
) -> None:
    save_graph(tmp_path / "tower.onnx", operators)
    with pytest.raises(RuntimeMissingError, match=rf"TensorRT {version} is too old .*{told}"):
        require_operators(tmp_path / "tower.onnx", version)


def test_operators_that_it_does_not_know(tmp_path: Path) -> None:
    save_graph(tmp_path / "tower.onnx", ("Conv", "DFT", "BitShift"))
    with pytest.raises(
        RuntimeMissingError, match=r"does not know BitShift, DFT, which tower\.onnx"
    ):
        require_operators(tmp_path / "tower.onnx", "11.4")
    save_graph_of_everything(tmp_path / "all.onnx")
    with pytest.raises(RuntimeMissingError, match=r"know com\.vendor\.FusedThing"):
        require_operators(tmp_path / "all.onnx", "11.4")


def test_the_table_names_operators_of_onnx() -> None:
    of_onnx = {schema.name for schema in onnx.defs.get_all_schemas()}
    # Three that TensorRT keeps from before ONNX 1.0
    assert KNOWN - of_onnx <= {"ImageScaler", "ParametricSoftplus", "ScaledTanh"}
    assert set(SINCE) <= KNOWN
