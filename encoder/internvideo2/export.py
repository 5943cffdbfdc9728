"""InternVideo2's video tower to ONNX: a graph for every runtime, and one for TensorRT.

Both take uint8 frames and normalise for themselves; only the batch is dynamic.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import onnx
import onnx_ir
import torch

from encoder.errors import ModelError
from encoder.export import (
    EXTERNAL_FROM,
    Exported,
    FromPixels,
    bytes_of,
    data_file,
    random_frames,
    traced,
)
from encoder.internvideo2.config import VideoConfig
from encoder.internvideo2.tower import VideoTower
from encoder.session import SessionOptions, open_session
from encoder.space import EmbeddingSpace

Form = Literal["decomposed", "fused"]
Precision = Literal["bf16", "fp16", "fp32"]
ROLES: Mapping[Form, str] = MappingProxyType({"decomposed": "video", "fused": "video_tensorrt"})
OPSETS: Mapping[Form, int] = MappingProxyType(
    {"decomposed": 18, "fused": 23}  # the exporter's lowest; the first with all that TensorRT fuses
)
DTYPES: Mapping[Precision, torch.dtype] = MappingProxyType(
    {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
)
FUSED = ("RMSNormalization", "Attention", "Gelu", "LayerNormalization")
# Largest distance of a graph's unit vector from the float32 module's: of float32 in any element,
# of float16 as a whole (a cosine of 0.999)
LIMITS: Mapping[Precision, float] = MappingProxyType({"fp32": 1e-4, "fp16": 0.045})


@dataclass(frozen=True, slots=True)
class VideoExport:
    """Which graph of a tower to write, and how."""

    form: Form = "decomposed"
    precision: Precision = "bf16"  # of the fused graph; a decomposed one is float32
    external_from: int = EXTERNAL_FROM  # bytes of weights from which they get a file of their own
    check: bool = True  # run it beside the module; needs its memory once or twice more


def export_video(
    tower: VideoTower, folder: Path, space: EmbeddingSpace, options: VideoExport | None = None
) -> Exported:
    """Write `video.onnx` or, fused, `video_tensorrt.onnx`: `frames` uint8 [B, T, H, W, 3] RGB to
    `embedding` float32 [B, D] of norm 1.

    The decomposed graph is float32 and every ONNX Runtime runs it. The fused one keeps the
    operators that TensorRT has kernels for; in bf16 or fp16 the statistics of norms, the last map
    and the vector stay float32. Weights of more than `external_from` bytes lie in one file beside
    it (`encoder.export.data_file`). A bf16 graph is not run: ONNX Runtime's CPU kernels lack it.

    Raises ModelError if the tower is not of this space, if torch took an operator apart that must
    stay whole, or if the graph does not say what the tower says.
    """
    options = options or VideoExport()
    _require_space(tower.config, space)
    precision = options.precision if options.form == "fused" else "fp32"
    path = folder / f"{ROLES[options.form]}.onnx"
    module = FromPixels(tower.in_precision(DTYPES[precision]), space).eval()
    _write(module, path, space, options)
    del module  # its weights, before the check needs the memory
    _require_operators(path, tower.config, options.form)
    error = _error(tower, path, space, precision) if options.check else None
    files = [file for file in (path, data_file(path)) if file.is_file()]
    return Exported(path, sum(file.stat().st_size for file in files), error)


def operators_of(path: Path) -> Counter[str]:
    """How often each operator stands in a graph; its weights are not read."""
    return Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)


def fused_operators(config: VideoConfig) -> dict[str, int]:
    """How often the operators of `FUSED` stand in the fused graph of a tower."""
    blocks, aligned = config.depth, config.head == "align"
    return {
        "RMSNormalization": 4 * blocks,
        "Attention": blocks + 1,
        "Gelu": blocks,
        "LayerNormalization": 3 + aligned,
    }


def _write(module: FromPixels, path: Path, space: EmbeddingSpace, options: VideoExport) -> None:
    frames = random_frames(2, space)  # a batch of one would be taken for a constant
    axes = {0: torch.export.Dim("batch")}
    opset = OPSETS[options.form]
    program = traced(module, (frames,), ("frames",), ("embedding",), (axes,), opset)
    for node in program.model.graph.all_nodes():  # which line of Python each came from
        node.metadata_props.clear()
        node.doc_string = None
    _shape_after_cast(program.model.graph)
    data_file(path).unlink(missing_ok=True)
    program.save(path, external_data=bytes_of(module) > options.external_from)
    try:
        onnx.checker.check_model(path)
    except onnx.checker.ValidationError as error:
        message = f"torch {torch.__version__} wrote no valid {path.name}: {error}"
        raise ModelError(message) from error


def _shape_after_cast(graph: onnx_ir.Graph) -> None:
    """Have the batch's size read of the frames once they are cast: TensorRT's Shape takes no uint8.

    Source: the data types of IShapeLayer in NVIDIA's operator documentation.
    """
    (frames,) = graph.inputs
    readers = [node for node, _ in frames.uses()]
    (cast,) = (node for node in readers if node.op_type == "Cast")
    for node in readers:
        if node.op_type == "Shape":
            graph.remove(node)
            node.replace_input_with(0, cast.outputs[0])
            graph.insert_after(cast, node)


def _require_space(config: VideoConfig, space: EmbeddingSpace) -> None:
    asked = (space.frames_per_clip, space.width, space.height, space.dims)
    has = (config.frames, config.image, config.image, config.joint)
    if asked != has:
        raise ModelError(
            f"the space {space.id} has {asked[0]} frames of {asked[1]}x{asked[2]} and"
            f" {asked[3]} dimensions, the tower {has[0]} of {has[1]}x{has[2]} and {has[3]}"
        )


def _require_operators(path: Path, config: VideoConfig, form: Form) -> None:
    """Raises ModelError unless the fused graph is fused, and the decomposed one is not."""
    found = operators_of(path)
    wanted = fused_operators(config)
    if form == "decomposed":
        wanted |= dict.fromkeys(("RMSNormalization", "Attention", "Gelu"), 0)
    wrong = [
        f"{found[name]} {name} instead of {n}" for name, n in wanted.items() if found[name] != n
    ]
    if wrong:
        raise ModelError(
            f"torch {torch.__version__} wrote {path.name} with {', '.join(wrong)}:"
            " export it with torch 2.13"
        )


def _error(
    tower: VideoTower, path: Path, space: EmbeddingSpace, precision: Precision
) -> float | None:
    """How far the graph is from the float32 tower on a clip of noise; None where it cannot run."""
    limit = LIMITS.get(precision)
    if limit is None:
        return None
    frames = random_frames(1, space)
    with torch.inference_mode():
        wanted = FromPixels(tower.in_precision(torch.float32), space)(frames).numpy()
    session = open_session(path, SessionOptions(device="cpu"))
    (got,) = session.run({"frames": frames.numpy()}).values()
    order = np.inf if precision == "fp32" else 2
    error = float(np.linalg.norm(got - wanted, ord=order, axis=-1).max())
    if not error <= limit:  # a NaN is no smaller either
        raise ModelError(f"{path.name} differs from its tower by {error:.2g} after export")
    return error
