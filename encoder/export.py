"""Towers to ONNX, each checked against the module it came from."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoder.errors import ModelError
from encoder.onnx_weights import store_fp16_file
from encoder.session import SessionOptions, open_session
from encoder.space import EmbeddingSpace

MAX_TOKENS = 40
# Largest distance of a vector of the graph (weights stored as float16) from the module's (float32),
# relative to its length: a cosine of 0.9998.
TOLERANCE = 0.02
FLOAT32_TOLERANCE = 1e-3  # where the weights are stored as they are
EXTERNAL_FROM = 1_900_000_000  # bytes of weights: one file of Protocol Buffers ends at 2 GiB

Stored = Literal["fp32", "fp16"]


@dataclass(frozen=True, slots=True)
class TextRange:
    """What a text tower can be given."""

    words: int = 30522
    tokens: int = 512


class TextTower(nn.Module):
    """MiniLM and the projection heads as one graph."""

    def __init__(self, language: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.language, self.head = language, head

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """int64 [B, N] twice -> pooled [B, D] of norm 1, tokens [B, N, D]."""
        pooled, tokens = self.head(self.language(input_ids, attention_mask), attention_mask)
        return pooled, tokens


class FromPixels(nn.Module):
    """A video tower that normalises for itself, as its space says."""

    mean: Tensor
    std: Tensor

    def __init__(self, tower: nn.Module, space: EmbeddingSpace) -> None:
        super().__init__()
        self.tower = tower
        self.register_buffer("mean", torch.tensor(space.mean)[:, None, None] * 255.0)  # [3, 1, 1]
        self.register_buffer("std", torch.tensor(space.std)[:, None, None] * 255.0)

    def forward(self, frames: Tensor) -> Tensor:
        """uint8 [B, T, H, W, 3] -> [B, D]."""
        # a cast first: TensorRT takes uint8 as an input and nowhere else
        pixels = frames.float().permute(0, 1, 4, 2, 3)
        vectors: Tensor = self.tower((pixels - self.mean) / self.std)
        return vectors


@dataclass(frozen=True, slots=True)
class Exported:
    """How far an exported graph is from its module on random input, and how large it is."""

    path: Path
    bytes: int
    largest_error: float | None  # of any vector, relative to its length; None if it was not run


def export_text_tower(language: nn.Module, head: nn.Module, path: Path) -> Exported:
    """Write `text.onnx`: MiniLM (as it is: float32 or `encoder.int8.quantise`d) and its heads.

    `head` maps (last_hidden [B, N, 384], mask [B, N]) to (pooled [B, D], tokens [B, N, D]).
    Raises ModelError if the graph does not say what the module says.
    """
    return export_text(TextTower(language, head), path, TextRange(), "fp16")


def export_text(tower: nn.Module, path: Path, given: TextRange, stored: Stored) -> Exported:
    """Write `text.onnx`: any tower that takes (ids, mask) int64 [B, N] to what `TextTower` gives.

    Weights are stored as float32 or float16, and computed in float32; more than 1.9 GB of them lie
    in `text.onnx.data` beside it. Raises ModelError if the graph does not say what the tower says.
    """
    tower = tower.eval()
    names = ("input_ids", "attention_mask")
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens", max=given.tokens)
    axes = {0: batch, 1: tokens}
    inputs = _random_texts(3, 9, given.words)
    program = traced(tower, inputs, names, ("pooled", "tokens"), (axes, axes))
    _save(program, path, stored, bytes_of(tower) > EXTERNAL_FROM)
    trials = [inputs, _random_texts(1, 3, given.words), _random_texts(5, MAX_TOKENS, given.words)]
    return _compare(
        tower, path, names, trials, TOLERANCE if stored == "fp16" else FLOAT32_TOLERANCE
    )


def export_video_tower(tower: nn.Module, path: Path, space: EmbeddingSpace) -> Exported:
    """Write `video.onnx`: uint8 RGB frames [B, T, H, W, 3] to unit vectors [B, D].

    `tower` takes pictures [B, T, 3, H, W] normalised as `space` says; the graph normalises for
    itself. Only the batch is dynamic. Raises ModelError if the graph does not say what the tower
    says.
    """
    module = FromPixels(tower, space).eval()
    axes = {0: torch.export.Dim("batch")}
    inputs = (random_frames(2, space),)
    program = traced(module, inputs, ("frames",), ("embedding",), (axes,))
    _save(program, path, "fp16", external=False)
    return _compare(module, path, ("frames",), [inputs, (random_frames(1, space),)], TOLERANCE)


def traced(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    input_names: Sequence[str],
    output_names: Sequence[str],
    axes: tuple[Mapping[int, object], ...],
    opset: int | None = None,
) -> torch.onnx.ONNXProgram:
    """The module as a graph, in the exporter's opset unless one is given.

    Raises ModelError if torch gives none.
    """
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module,
            inputs,
            input_names=input_names,
            output_names=output_names,
            dynamic_shapes=axes,
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ModelError(f"torch could not export {type(module).__name__}")
    return program


@contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporter warns about its own insides, and that torchvision is not there."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def _save(program: torch.onnx.ONNXProgram, path: Path, stored: Stored, external: bool) -> None:
    program.save(path, external_data=external)
    if stored == "fp16":
        store_fp16_file(path, path)  # half of it: one file again
        data_file(path).unlink(missing_ok=True)


def data_file(path: Path) -> Path:
    """Where weights of a graph lie that are too many for its own file."""
    return path.with_name(f"{path.name}.data")


def bytes_of(module: nn.Module) -> int:
    """The size of a module's weights in memory."""
    return sum(part.numel() * part.element_size() for part in module.state_dict().values())


def _compare(
    module: nn.Module,
    path: Path,
    names: Sequence[str],
    trials: Sequence[tuple[Tensor, ...]],
    tolerance: float,
) -> Exported:
    session = open_session(path, SessionOptions(threads=1))
    error = 0.0
    for inputs in trials:
        given: dict[str, NDArray[np.generic]] = {
            name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)
        }
        with torch.no_grad():
            wanted = module(*inputs)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for got, want in zip(session.run(given).values(), wanted, strict=True):
            error = max(error, _relative_error(got, want.numpy()))
    if not error <= tolerance:
        raise ModelError(f"{path.name} differs from its module by {error:.2g} after export")
    files = [file for file in (path, data_file(path)) if file.is_file()]
    return Exported(path, sum(file.stat().st_size for file in files), error)


def _relative_error(got: NDArray[np.float32], want: NDArray[np.float32]) -> float:
    distance = np.linalg.norm(got - want, axis=-1)
    return float((distance / np.linalg.norm(want, axis=-1)).max())


def _random_texts(batch: int, tokens: int, words: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(batch * 100 + tokens)
    ids = torch.randint(words // 30, words, (batch, tokens), generator=generator)
    mask = torch.ones_like(ids)
    if batch > 1:
        mask[1, tokens // 2 :] = 0
    return ids, mask


def random_frames(batch: int, space: EmbeddingSpace) -> Tensor:
    """Clips of noise, uint8 [B, T, H, W, 3]; the same for the same batch."""
    shape = (batch, space.frames_per_clip, space.height, space.width, 3)
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
