"""A bundle that knows colours: real graphs of a few kilobytes, so that runs need no training.

A clip's vector is its mean colour; the word "red" is the red axis. A clip is salient when the
cosine of the two is above 0.8, and the detector's span goes from the first such clip to the last.
"""

from pathlib import Path

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel

from encoder.manifest import Manifest, Source, SpaceEntry, read_manifest, write_manifest
from encoder.space import EmbeddingSpace
from grounding.calibration import Calibration

SCALE, BIAS = 20.0, -16.0
SPANS = 25
SPACE = EmbeddingSpace(
    model="colour",
    dims=4,
    clip_seconds=2.0,
    frames_per_clip=4,
    width=32,
    height=16,
    kernel="area",
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
)
WORDS = {"[UNK]": None, "[CLS]": None, "[SEP]": None, "red": 0, "green": 1, "blue": 2}
SILENT = 3  # the axis of words that mean nothing here

Node = onnx.NodeProto
node = helper.make_node


def make_colour_bundle(folder: Path, name: str = "colours") -> Path:
    folder.mkdir(parents=True)
    _save(folder / "video.onnx", *_video())
    _save(folder / "text.onnx", *_text())
    _save(folder / "gate_clip.onnx", *_gate_clip())
    _save(folder / "gate_query.onnx", *_gate_query())
    _save(folder / "detector.onnx", *_detector())
    _tokenizer().save(str(folder / "tokenizer.json"))
    write_manifest(folder, _manifest(name))
    return folder


def uncalibrated(folder: Path) -> Path:
    """The bundle in `folder` as one whose scores were never calibrated."""
    section = msgspec.to_builtins(Calibration.uncalibrated())
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), calibration=section))
    return folder


def _manifest(name: str) -> Manifest:
    return Manifest(
        name=name,
        version="1",
        license="Apache-2.0",
        description="Knows three colours.",
        sources=[Source(name="arithmetic", license="CC0-1.0")],
        trained_on=[],
        limits=["It sees colours only."],
        space=SpaceEntry.of(SPACE),
        detector={
            "saliency_scale": SCALE,
            "saliency_bias": BIAS,
            "gate_threshold": 0.0,
            "gate_dims": SPACE.dims,
        },
        calibration={
            "mean": [0.0] * 7,
            "scale": [1.0] * 7,
            "weights": [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],  # the highest saliency in the span
            "bias": 0.0,
            "training_prior": 0.01,
            "false_alarms": [(0.1, 40.0), (0.5, 2.0), (0.9, 0.001)],
        },
    )


def _tokenizer() -> Tokenizer:
    ids = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer


Graph = tuple[list[Node], dict[str, tuple[int, list]], dict[str, list], dict[str, NDArray]]


def _video() -> Graph:
    shape = [SPACE.frames_per_clip, SPACE.height, SPACE.width, 3]
    nodes = [
        node("Cast", ["frames"], ["pixels"], to=TensorProto.FLOAT),
        node("ReduceMean", ["pixels", "all_axes"], ["colour"], keepdims=0),  # [B, 3]
        node("MatMul", ["colour", "widen"], ["vector"]),
        node("LpNormalization", ["vector"], ["embedding"], axis=-1, p=2),
    ]
    weights = {"all_axes": np.array([1, 2, 3]), "widen": np.eye(3, SPACE.dims, dtype=np.float32)}
    inputs = {"frames": (TensorProto.UINT8, ["B", *shape])}
    return nodes, inputs, {"embedding": ["B", SPACE.dims]}, weights


def _text() -> Graph:
    # Words without a colour are faint: they must not turn the sentence away from its colour.
    table = np.zeros((len(WORDS), SPACE.dims), np.float32)
    for index, axis in enumerate(WORDS.values()):
        table[index, SILENT if axis is None else axis] = 1e-9 if axis is None else 1.0
    nodes = [
        node("Gather", ["table", "input_ids"], ["tokens"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        *_sentence("tokens", "mask", "pooled"),
    ]
    ids = (TensorProto.INT64, ["B", "N"])
    outputs = {"pooled": ["B", SPACE.dims], "tokens": ["B", "N", SPACE.dims]}
    weights = {"table": table, **SENTENCE_WEIGHTS}
    return nodes, {"input_ids": ids, "attention_mask": ids}, outputs, weights


SENTENCE_WEIGHTS = {"last": np.array([-1]), "words": np.array([1])}


def _sentence(tokens: str, mask: str, made: str) -> list[Node]:
    """The direction of the sum of the tokens that count."""
    return [
        node("Unsqueeze", [mask, "last"], ["weight"]),
        node("Mul", [tokens, "weight"], ["kept"]),
        node("ReduceSum", ["kept", "words"], ["sum"], keepdims=0),
        node("LpNormalization", ["sum"], [made], axis=-1, p=2),
    ]


TEXT_INPUTS = {
    "text": (TensorProto.FLOAT, ["B", "N", SPACE.dims]),
    "text_mask": (TensorProto.FLOAT, ["B", "N"]),
}


def _gate_clip() -> Graph:
    nodes = [node("LpNormalization", ["video"], ["clip"], axis=-1, p=2)]
    inputs = {"video": (TensorProto.FLOAT, ["M", SPACE.dims])}
    return nodes, inputs, {"clip": ["M", SPACE.dims]}, {}


def _gate_query() -> Graph:
    nodes = _sentence("text", "text_mask", "sentence")
    return nodes, TEXT_INPUTS, {"sentence": ["B", SPACE.dims]}, dict(SENTENCE_WEIGHTS)


def _detector() -> Graph:
    nodes = [
        *_sentence("text", "text_mask", "sentence"),
        node("Unsqueeze", ["sentence", "last"], ["column"]),  # [B, D, 1]
        node("MatMul", ["video", "column"], ["cosine_column"]),
        node("Squeeze", ["cosine_column", "last"], ["cosine"]),  # [B, L]
        node("Mul", ["cosine", "scale"], ["scaled"]),
        node("Add", ["scaled", "bias"], ["logits"]),
        node("Sub", ["video_mask", "one"], ["absent"]),
        node("Mul", ["absent", "far"], ["pushed"]),
        node("Add", ["logits", "pushed"], ["local_saliency"]),
        node("Identity", ["local_saliency"], ["global_saliency"]),
        *_span(),
        *_positions(),
    ]
    inputs = {
        "video": (TensorProto.FLOAT, ["B", "L", SPACE.dims]),
        "video_mask": (TensorProto.FLOAT, ["B", "L"]),
        **TEXT_INPUTS,
    }
    saliency, queries, levels = ["B", "L"], ["B", SPANS], ["B", "P"]
    outputs = {
        "local_saliency": saliency,
        "global_saliency": saliency,
        "span": [*queries, 2],
        "label": queries,
        "quality": queries,
        "atss_label": levels,
        "atss_box": [*levels, 2],
        "atss_centerness": levels,
    }
    label = np.full((1, SPANS), -9.0, np.float32)
    label[0, 0] = 5.0
    weights = {
        **SENTENCE_WEIGHTS,
        "scale": np.float32(SCALE),
        "bias": np.float32(BIAS),
        "one": np.float32(1),
        "half": np.float32(0.5),
        "far": np.float32(1e3),
        "nought": np.float32(0),
        "low": np.float32(-20),
        "label_row": label,
        "spans": np.array([SPANS]),
        "two": np.array([2]),
        "first": np.array([0]),
        "second": np.array([1]),
        "fifteen": np.array([15]),
        "four": np.array([4]),
    }
    return nodes, inputs, outputs, weights


def _span() -> list[Node]:
    """(centre, width) from the first salient clip to the last; fractions of the padded length."""
    return [
        node("Greater", ["local_saliency", "nought"], ["hot"]),
        node("Cast", ["hot"], ["heat"], to=TensorProto.FLOAT),
        node("ArgMax", ["heat"], ["begin_index"], axis=1, keepdims=1),
        node("ArgMax", ["heat"], ["final_index"], axis=1, keepdims=1, select_last_index=1),
        node("Cast", ["begin_index"], ["begin"], to=TensorProto.FLOAT),
        node("Cast", ["final_index"], ["final"], to=TensorProto.FLOAT),
        node("Add", ["final", "one"], ["finish"]),
        node("Shape", ["video_mask"], ["size"]),
        node("Gather", ["size", "second"], ["clips"]),
        node("Cast", ["clips"], ["padded"], to=TensorProto.FLOAT),
        node("Sub", ["finish", "begin"], ["length"]),
        node("Add", ["finish", "begin"], ["twice_middle"]),
        node("Mul", ["twice_middle", "half"], ["middle"]),
        node("Div", ["middle", "padded"], ["centre"]),
        node("Div", ["length", "padded"], ["width"]),
        node("Concat", ["centre", "width"], ["pair"], axis=1),  # [B, 2]
        node("Unsqueeze", ["pair", "second"], ["row"]),
        node("Gather", ["size", "first"], ["batch"]),
        node("Concat", ["batch", "spans", "two"], ["span_shape"], axis=0),
        node("Expand", ["row", "span_shape"], ["span"]),
        node("Concat", ["batch", "spans"], ["label_shape"], axis=0),
        node("Expand", ["label_row", "label_shape"], ["label"]),
        node("Identity", ["label"], ["quality"]),
    ]


def _positions() -> list[Node]:
    """The pyramid's 15 L / 4 positions, which find nothing."""
    return [
        node("Mul", ["clips", "fifteen"], ["clips_15"]),
        node("Div", ["clips_15", "four"], ["positions"]),
        node("Concat", ["batch", "positions"], ["level_shape"], axis=0),
        node("Concat", ["batch", "positions", "two"], ["box_shape"], axis=0),
        node("Expand", ["low", "level_shape"], ["atss_label"]),
        node("Expand", ["nought", "level_shape"], ["atss_centerness"]),
        node("Expand", ["nought", "box_shape"], ["atss_box"]),
    ]


def _save(
    path: Path,
    nodes: list[Node],
    inputs: dict[str, tuple[int, list]],
    outputs: dict[str, list],
    weights: dict[str, NDArray],
) -> None:
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
