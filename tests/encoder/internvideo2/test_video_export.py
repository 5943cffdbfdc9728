"""The two graphs of a video tower, as ONNX Runtime's CPU kernels run them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from encoder.errors import ModelError
from encoder.export import Exported, FromPixels, data_file, random_frames
from encoder.internvideo2 import export
from encoder.internvideo2.config import VideoConfig
from encoder.internvideo2.export import (
    FUSED,
    VideoExport,
    export_video,
    fused_operators,
    operators_of,
)
from encoder.internvideo2.initialise import random_tower
from encoder.session import SessionOptions, open_session
from tests.encoder.internvideo2.towers import DISTILLED, STAGE2, space_of

FORMS = {
    "decomposed": (STAGE2, VideoExport(external_from=100_000)),
    "bf16": (STAGE2, VideoExport("fused", "bf16", external_from=100_000)),
    "fp16": (DISTILLED, VideoExport("fused", "fp16")),
    "fp32": (DISTILLED, VideoExport("fused", "fp32")),
}


@dataclass(frozen=True)
class Graph:
    config: VideoConfig
    made: Exported
    model: onnx.ModelProto


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Graph]:
    """Any of `FORMS`, exported once."""
    done: dict[str, Graph] = {}

    def make(form: str) -> Graph:
        if form not in done:
            config, options = FORMS[form]
            folder = tmp_path_factory.mktemp(form)
            made = export_video(random_tower(config), folder, space_of(config), options)
            done[form] = Graph(config, made, onnx.load(made.path))
        return done[form]

    return make


def run(path: Path, frames: torch.Tensor) -> np.ndarray:
    session = open_session(path, SessionOptions(threads=1, device="cpu"))
    return session.run({"frames": frames.numpy()})["embedding"]


@pytest.mark.parametrize("form", FORMS)
def test_frames_go_in_and_a_float32_vector_comes_out(graph, form: str) -> None:
    made = graph(form)
    (frames,) = made.model.graph.input
    (vectors,) = made.model.graph.output
    sizes = [
        [axis.dim_value or axis.dim_param for axis in value.type.tensor_type.shape.dim]
        for value in (frames, vectors)
    ]
    assert sizes == [["batch", made.config.frames, 56, 56, 3], ["batch", 64]]
    assert (frames.name, vectors.name) == ("frames", "embedding")
    assert frames.type.tensor_type.elem_type == TensorProto.UINT8
    assert vectors.type.tensor_type.elem_type == TensorProto.FLOAT


@pytest.mark.parametrize("form", ["decomposed", "fp32"])
def test_a_float32_graph_says_what_the_tower_says_of_any_batch(graph, form: str) -> None:
    made = graph(form)
    assert made.made.largest_error is not None
    assert made.made.largest_error <= 1e-4
    space = space_of(made.config)
    frames = random_frames(5, space)
    together = run(made.made.path, frames)
    with torch.no_grad():
        wanted = FromPixels(random_tower(made.config), space)(frames)
    np.testing.assert_allclose(together, wanted, rtol=0, atol=1e-4)
    alone = np.concatenate([run(made.made.path, frames[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=2e-6)


def test_the_float16_graph_is_close(graph) -> None:
    made = graph("fp16")
    assert made.made.largest_error is not None
    frames = random_frames(5, space_of(made.config))
    with torch.no_grad():
        wanted = FromPixels(random_tower(made.config), space_of(made.config))(frames).numpy()
    assert (run(made.made.path, frames) * wanted).sum(axis=-1).min() > 0.999


def test_the_bfloat16_graph_computes_the_right_thing(graph, tmp_path: Path) -> None:
    """ONNX Runtime's CPU kernels lack bfloat16: the same graph with float32 in its place."""
    made = graph("bf16")
    assert made.made.largest_error is None
    path = tmp_path / "raised.onnx"
    onnx.save(in_float32(made.model), path)
    frames = random_frames(3, space_of(made.config))
    with torch.no_grad():
        wanted = FromPixels(random_tower(made.config), space_of(made.config))(frames).numpy()
    assert (run(path, frames) * wanted).sum(axis=-1).min() > 0.9999


def in_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    raised = onnx.ModelProto()
    raised.CopyFrom(model)
    del raised.graph.value_info[:]
    for number, weight in enumerate(raised.graph.initializer):
        if weight.data_type == TensorProto.BFLOAT16:
            values = numpy_helper.to_array(weight).astype(np.float32)
            raised.graph.initializer[number].CopyFrom(numpy_helper.from_array(values, weight.name))
    for node in raised.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.BFLOAT16:
                attribute.i = TensorProto.FLOAT
    return raised


@pytest.mark.parametrize("form", ["bf16", "fp16", "fp32"])
def test_the_fused_graph_keeps_the_operators_that_tensorrt_has_kernels_for(
    graph, form: str
) -> None:
    made = graph(form)
    found = operators_of(made.made.path)
    wanted = fused_operators(made.config)
    assert {name: found[name] for name in FUSED} == wanted
    assert not {"Softmax", "Erf", "Pow", "Sqrt", "Reciprocal", "Gather", "If"} & found.keys()
    assert found["Conv"] == 1
    assert made.model.opset_import[0].version == 23
    for node in made.model.graph.node:
        if node.op_type in ("RMSNormalization", "LayerNormalization"):
            assert {a.name: a.i for a in node.attribute}["stash_type"] == 1
            assert len({"axis", "epsilon"} & {a.name for a in node.attribute}) == 2
        if node.op_type == "Attention":
            assert len(node.input) == 3
            assert len(node.output) == 1


def test_the_decomposed_graph_has_none_of_them(graph) -> None:
    found = operators_of(graph("decomposed").made.path)
    assert not {"RMSNormalization", "Attention", "Gelu"} & found.keys()
    assert found["Softmax"] == STAGE2.depth + 1
    assert found["Erf"] == STAGE2.depth
    assert graph("decomposed").model.opset_import[0].version == 18


@pytest.mark.parametrize("form", FORMS)
def test_pixels_are_cast_before_anything_else(graph, form: str) -> None:
    """TensorRT takes uint8 as an input of the network and nowhere else (a shape may be asked)."""
    nodes = graph(form).model.graph.node
    readers = {node.op_type for node in nodes if "frames" in node.input}
    assert readers <= {"Cast", "Shape"}
    assert "Cast" in readers


@pytest.mark.parametrize(("form", "stored"), [("bf16", "BFLOAT16"), ("fp16", "FLOAT16")])
def test_weights_are_stored_in_their_precision_but_for_the_last_map(
    graph, form: str, stored: str
) -> None:
    model = graph(form).model
    large = {w.name: w.data_type for w in model.graph.initializer if np.prod(w.dims) >= 1000}
    last = [name for name in large if "vision_proj" in name or "vision_align" in name]
    # the last map may have been turned and renamed: exactly one large float32 tensor is left
    float32 = [name for name, kind in large.items() if kind == TensorProto.FLOAT]
    assert len(float32) == 1
    assert set(last) <= set(float32)
    assert {k for n, k in large.items() if n not in float32} == {TensorProto.DataType.Value(stored)}


def test_large_weights_lie_in_one_file_beside_the_graph(graph) -> None:
    for form, name in (("decomposed", "video.onnx"), ("bf16", "video_tensorrt.onnx")):
        made = graph(form).made
        assert sorted(each.name for each in made.path.parent.iterdir()) == [name, f"{name}.data"]
        assert made.path.stat().st_size < 200_000 < data_file(made.path).stat().st_size
        assert made.bytes == made.path.stat().st_size + data_file(made.path).stat().st_size


def test_small_weights_stay_in_the_graph_and_leave_no_file_of_before(graph, tmp_path: Path) -> None:
    made = graph("fp32").made
    assert [each.name for each in made.path.parent.iterdir()] == ["video_tensorrt.onnx"]
    (tmp_path / "video.onnx.data").write_bytes(b"of before")
    small = replace(STAGE2, depth=1)
    export_video(random_tower(small), tmp_path, space_of(small), VideoExport(check=False))
    assert [each.name for each in tmp_path.iterdir()] == ["video.onnx"]


def test_a_tower_of_another_space_is_refused(tmp_path: Path) -> None:
    space = space_of(replace(STAGE2, frames=8))
    with pytest.raises(ModelError, match="has 8 frames of 56x56 and 64 dimensions, the tower 4"):
        export_video(random_tower(STAGE2), tmp_path, space)


def test_a_graph_that_torch_took_apart_is_refused(graph, tmp_path: Path) -> None:
    made = graph("fp32")
    with pytest.raises(ModelError, match=r"0 RMSNormalization instead of 8.*with torch 2\.13"):
        export._require_operators(graph("decomposed").made.path, STAGE2, "fused")
    with pytest.raises(ModelError, match=r"RMSNormalization instead of 0"):
        export._require_operators(made.made.path, made.config, "decomposed")


def test_a_graph_that_says_something_else_is_refused(graph) -> None:
    made = graph("fp32")
    other = random_tower(made.config, seed=7)
    with pytest.raises(ModelError, match=r"video_tensorrt\.onnx differs from its tower by"):
        export._error(other, made.made.path, space_of(made.config), "fp32")
