"""What the video tower runs on: the fastest runtime that is ready here, or the one wanted."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from encoder.bundle import Bundle
from encoder.config import CPU_BATCH, GPU_BATCH
from encoder.errors import EncoderError, RuntimeMissingError
from encoder.providers import TENSORRT, cuda_providers, rtx_plugged, tensorrt_providers
from encoder.session import CPU, CUDA, Session, SessionOptions, open_session
from encoder.tensorrt.installed import find_machine
from encoder.tensorrt.ordering import ROLE, graph_files
from encoder.tensorrt.runtime import TensorRTRunner
from encoder.tensorrt.store import find_engine

# By themselves, best first. TensorRT in ONNX Runtime builds for minutes at its first use: opt in.
_BY_ITSELF = ("tensorrt", "tensorrt-rtx", "cuda", "cpu")

_log = logging.getLogger(__name__)


class VideoRunner(Protocol):
    """A video tower that is loaded."""

    @property
    def runtime(self) -> str:
        """Its name, as in `SessionOptions.runtime`."""

    @property
    def best_batch(self) -> int:
        """Clips that one run should hold."""

    @property
    def clip_shape(self) -> tuple[Any, ...]:
        """[T, H, W, 3]."""

    @property
    def description(self) -> str:
        """For people: what it runs on."""

    def run(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[B, T, H, W, 3] -> [B, D]; raises ModelError or EngineError."""


@dataclass(frozen=True, slots=True)
class SessionRunner:
    """A video tower in ONNX Runtime."""

    session: Session
    runtime: str
    description: str
    best_batch: int = GPU_BATCH
    clip_shape: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.session.require({"frames"}, {"embedding"})
        object.__setattr__(self, "clip_shape", self.session.inputs["frames"][1:])

    def run(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[B, T, H, W, 3] -> [B, D]; raises ModelError."""
        vectors: NDArray[np.float32] = self.session.run({"frames": clips})["embedding"]
        return vectors


@dataclass(frozen=True, slots=True)
class OpenedVideo:
    """The runner, and why not a better one: sentences by runtime, best first."""

    runner: VideoRunner
    passed_over: Mapping[str, str]


def open_video(bundle: Bundle, options: SessionOptions | None = None) -> OpenedVideo:
    """Load a bundle's video tower.

    With a runtime of `auto` the first that works of TensorRT (if an engine was built), TensorRT for
    RTX, CUDA and CPU; a named one works or raises: RuntimeMissingError, BundleError, EngineError or
    ModelError. A card that is named by `device` is used, or RuntimeMissingError raised.
    """
    options = options or SessionOptions()
    if options.runtime != "auto":
        return OpenedVideo(_OPEN[options.runtime](bundle, options), MappingProxyType({}))
    if options.device == "cpu":
        return OpenedVideo(_open_cpu(bundle, options), MappingProxyType({}))
    passed_over: dict[str, str] = {}
    for runtime in _BY_ITSELF:
        if runtime == "cpu" and options.device != "auto":
            raise RuntimeMissingError(
                f"nothing runs the video model on {options.device}: "
                + "; ".join(f"{name}: {why}" for name, why in passed_over.items())
            )
        try:
            runner = _OPEN[runtime](bundle, options)
        except EncoderError as error:
            if runtime == "cpu":
                raise
            passed_over[runtime] = str(error)
            _log.debug("%s does not run the video model: %s", runtime, error)
            continue
        return OpenedVideo(runner, MappingProxyType(passed_over))
    raise AssertionError("the CPU is the last, and ends the loop")


def _open_tensorrt(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    files = graph_files(bundle)
    engine = find_engine(bundle.name, files, find_machine(options.card))
    return TensorRTRunner(engine, options.card)


def _open_tensorrt_ep(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    files = graph_files(bundle)
    providers = tensorrt_providers(bundle, files, options, GPU_BATCH)
    session = _open(bundle.path(ROLE), options, providers, TENSORRT)
    return SessionRunner(session, "tensorrt-ep", "TensorRT (ONNX Runtime)")


def _open_rtx(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    files = graph_files(bundle)
    plugged = rtx_plugged(bundle, files, options, GPU_BATCH)
    session = open_session(bundle.path(ROLE), options, plugged)
    return SessionRunner(session, "tensorrt-rtx", "TensorRT for RTX (ONNX Runtime)")


def _open_cuda(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    session = _open(bundle.path("video"), options, cuda_providers(options), CUDA)
    return SessionRunner(session, "cuda", "CUDA (ONNX Runtime)")


def _open_cpu(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    session = open_session(bundle.path("video"), options, [CPU])
    return SessionRunner(session, "cpu", "CPU (ONNX Runtime)", CPU_BATCH)


def _open(path: Path, options: SessionOptions, providers: list[Any], wanted: str) -> Session:
    session = open_session(path, options, providers)
    if wanted not in session.providers:  # ONNX Runtime falls back, and says nothing
        raise RuntimeMissingError(
            f"ONNX Runtime fell back from {wanted.removesuffix('ExecutionProvider')}: a library of"
            " it is missing or does not fit, pip install --force-reinstall"
            " 'onnxruntime-gpu[cuda,cudnn]'"
        )
    return session


_OPEN: Mapping[str, Callable[[Bundle, SessionOptions], VideoRunner]] = MappingProxyType(
    {
        "tensorrt": _open_tensorrt,
        "tensorrt-rtx": _open_rtx,
        "tensorrt-ep": _open_tensorrt_ep,
        "cuda": _open_cuda,
        "cpu": _open_cpu,
    }
)
