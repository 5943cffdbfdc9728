"""Weights in half precision: half the file, the same answers to half precision."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from encoder.onnx_weights import LIMIT, SMALLEST, store_fp16, store_fp16_file
from encoder.session import SessionOptions, open_session

CPU = SessionOptions(threads=1, device="cpu")


def network(weight: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    """y = x @ weight + bias, with the weights listed among the inputs as old files do."""
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    shapes = {"x": ["batch", weight.shape[0]], "weight": weight.shape, "bias": bias.shape}
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", weight.shape[1]])
    weights = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
    graph = helper.make_graph(nodes, "network", inputs, [output], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def weight():
    return np.random.default_rng(0).standard_normal((64, 48)).astype(np.float32)


BIAS = np.linspace(-1, 1, 48, dtype=np.float32)


def test_the_file_halves_and_answers_stay(weight, tmp_path):
    model = network(weight, BIAS)
    halved = store_fp16(model)
    onnx.checker.check_model(halved)
    assert halved.ByteSize() < 0.6 * model.ByteSize()
    onnx.save(halved, tmp_path / "half.onnx")
    session = open_session(tmp_path / "half.onnx", CPU)
    assert set(session.inputs) == {"x"}
    x = np.random.default_rng(1).standard_normal((3, 64)).astype(np.float32)
    stored = weight.astype(np.float16).astype(np.float32)
    found = session.run({"x": x})["y"]
    np.testing.assert_allclose(found, x @ stored + BIAS, rtol=1e-5, atol=1e-5)


def test_the_given_model_is_left_as_it_was(weight):
    model = network(weight, BIAS)
    before = model.SerializeToString(deterministic=True)
    store_fp16(model)
    assert model.SerializeToString(deterministic=True) == before


def test_small_weights_and_other_types_stay(weight):
    model = network(weight, BIAS)
    model.graph.initializer.append(numpy_helper.from_array(np.arange(SMALLEST * 2), "indices"))
    kinds = {w.name: w.data_type for w in store_fp16(model).graph.initializer}
    assert kinds["bias"] == TensorProto.FLOAT
    assert kinds["indices"] == TensorProto.INT64
    assert kinds["weight/fp16"] == TensorProto.FLOAT16


@pytest.mark.parametrize("value", [LIMIT * 2, np.inf, np.nan])
def test_what_half_precision_cannot_hold_stays(weight, value):
    weight[3, 4] = value
    kinds = {w.name: w.data_type for w in store_fp16(network(weight, BIAS)).graph.initializer}
    assert kinds["weight"] == TensorProto.FLOAT


def test_twice_is_once(weight):
    once = store_fp16(network(weight, BIAS))
    assert store_fp16(once).SerializeToString() == once.SerializeToString()


def test_from_file_to_the_same_file(weight, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(network(weight, BIAS), path)
    before = path.stat().st_size
    store_fp16_file(path, path)
    assert path.stat().st_size < 0.6 * before
