"""Tiny real models: a bundle of a few kilobytes whose towers ONNX Runtime runs."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel

from encoder.bundle import Bundle, load_bundle
from encoder.manifest import Manifest, Source, SpaceEntry, write_manifest
from encoder.space import EmbeddingSpace

SPACE = EmbeddingSpace(
    model="tiny",
    dims=8,
    clip_seconds=2.0,
    frames_per_clip=2,
    width=6,
    height=4,
    kernel="area",
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "car", "on", "the", "road", "person", "falls"]


def make_bundle(folder: Path, name: str = "tiny", space: EmbeddingSpace = SPACE) -> Bundle:
    folder.mkdir(parents=True, exist_ok=True)
    save_video_model(folder / "video.onnx", space)
    save_text_model(folder / "text.onnx", space)
    save_tokenizer(folder / "tokenizer.json")
    write_manifest(folder, manifest(name, space), {"video.onnx": "fp32", "text.onnx": "fp32"})
    return load_bundle(folder)


def manifest(name: str = "tiny", space: EmbeddingSpace = SPACE) -> Manifest:
    return Manifest(
        name=name,
        version="1",
        license="Apache-2.0",
        description="random weights",
        sources=[Source(name="chance", license="CC0-1.0")],
        trained_on=[],
        limits=["It sees nothing."],
        space=SpaceEntry.of(space),
    )


def save_video_model(path: Path, space: EmbeddingSpace = SPACE) -> None:
    shape = [space.frames_per_clip, space.height, space.width, 3]
    weights = {
        "flat": np.array([0, -1]),
        "weight": _random(int(np.prod(shape)), space.dims),
    }
    nodes = [
        helper.make_node("Cast", ["frames"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["pixels", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "weight"], ["vector"]),
        helper.make_node("LpNormalization", ["vector"], ["embedding"], axis=-1, p=2),
    ]
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", *shape])
    _save(path, nodes, [frames], {"embedding": ["batch", space.dims]}, weights)


def save_text_model(path: Path, space: EmbeddingSpace = SPACE) -> None:
    weights = {"table": _random(len(WORDS), space.dims), "last": np.array([-1])}
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weight"]),
        helper.make_node("Mul", ["tokens", "weight"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=0),
        helper.make_node("LpNormalization", ["sum"], ["pooled"], axis=-1, p=2),
    ]
    weights["middle"] = np.array([1])
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = {"pooled": ["batch", space.dims], "tokens": ["batch", "tokens", space.dims]}
    _save(path, nodes, inputs, outputs, weights)


def save_tokenizer(path: Path) -> None:
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # As published tokenizers come: padded and cut to a length that is not ours.
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(128)
    tokenizer.save(str(path))


def random_clips(count: int, seed: int = 0, space: EmbeddingSpace = SPACE) -> np.ndarray:
    shape = (count, space.frames_per_clip, space.height, space.width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: dict[str, list[str | int]],
    weights: dict[str, np.ndarray],
) -> None:
    made = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in outputs.items()
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, made, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
