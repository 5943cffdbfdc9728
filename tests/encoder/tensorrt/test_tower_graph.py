"""The graph that is exported for TensorRT, against what TensorRT's parser is known to take."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from encoder.errors import RuntimeMissingError
from encoder.export import data_file
from encoder.internvideo2.config import VideoConfig
from encoder.internvideo2.export import VideoExport, export_video
from encoder.internvideo2.initialise import random_tower
from encoder.tensorrt.graph_operators import read_operators
from encoder.tensorrt.operators import require_operators
from tests.encoder.internvideo2.towers import DISTILLED, STAGE2, space_of


@pytest.fixture(scope="module", params=[STAGE2, DISTILLED], ids=["stage2", "distilled"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config: VideoConfig = request.param
    options = VideoExport("fused", "bf16", external_from=1)
    folder = tmp_path_factory.mktemp("tower")
    path = export_video(random_tower(config), folder, space_of(config), options).path
    assert data_file(path).is_file()
    return path


def test_its_operators_are_known(graph: Path) -> None:
    for version in ("10.15.1.29", "11.4.0.106"):
        require_operators(graph, version)
    with pytest.raises(RuntimeMissingError, match=r"RMSNormalization came with 10\.15"):
        require_operators(graph, "10.14.1.48")
    assert {"Attention", "RMSNormalization", "Gelu", "Conv"} <= read_operators(graph)


def test_attention_has_heads_of_their_own(graph: Path) -> None:
    """TensorRT takes Q, K and V of rank 4 only, and one output."""
    model = onnx.shape_inference.infer_shapes(onnx.load(graph, load_external_data=False))
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*model.graph.value_info, *model.graph.input)
    }
    attentions = [node for node in model.graph.node if node.op_type == "Attention"]
    assert attentions
    for node in attentions:
        assert [ranks.get(name) for name in node.input[:3]] == [4, 4, 4]
        assert len(node.output) == 1


def test_bytes_come_in_and_are_cast_at_once(graph: Path) -> None:
    """UINT8 is for TensorRT a type of inputs and outputs alone: no node may make more of it."""
    model = onnx.load(graph, load_external_data=False)
    (frames,) = model.graph.input
    assert frames.type.tensor_type.elem_type == TensorProto.UINT8
    readers = {node.op_type for node in model.graph.node if frames.name in node.input}
    assert readers == {"Cast"}
