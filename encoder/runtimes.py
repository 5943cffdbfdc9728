"""What the video tower runs on: the fastest runtime that is ready here, or the one wanted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from encoder.bundle import Bundle
from encoder.config import CPU_BATCH, GPU_BATCH
from encoder.errors import BundleError, EncoderError, RuntimeMissingError, UnfitEngineError
from encoder.providers import TENSORRT, cuda_providers, rtx_plugged, tensorrt_providers
from encoder.session import (
    CPU,
    CUDA,
    Session,
    SessionOptions,
    onnxruntime_version,
    open_session,
)
from encoder.tensorrt.batches import pieces
from encoder.tensorrt.installed import INSTALL, find_machine, tensorrt_version
from encoder.tensorrt.ordering import ROLE, graph_files
from encoder.tensorrt.runtime import TensorRTRunner
from encoder.tensorrt.store import find_engine

# By themselves, best first. TensorRT in ONNX Runtime builds for minutes at its first use: opt in.
_BY_ITSELF = ("tensorrt", "tensorrt-rtx", "cuda", "cpu")
_CUDA = "pip install --upgrade 'watchword[gpu]'"  # brings CUDA's libraries too
_MISSING = (RuntimeMissingError, BundleError)  # nobody installed, built or converted it


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
    max_batch: int = 0  # clips that its kernels were made for; 0: any number
    clip_shape: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.session.require({"frames"}, {"embedding"})
        object.__setattr__(self, "clip_shape", self.session.inputs["frames"][1:])

    def run(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[B, T, H, W, 3] -> [B, D]; raises ModelError or EngineError."""
        most = self.max_batch
        if most and len(clips) > most:
            return np.concatenate([self.run(clips[piece]) for piece in pieces(len(clips), most)])
        vectors: NDArray[np.float32] = self.session.run({"frames": clips})["embedding"]
        return vectors


@dataclass(frozen=True, slots=True)
class OpenedVideo:
    """The runner, and why not a better one: sentences by runtime, best first.

    `broken` are those of the better ones that are here and should work: an engine that may not be
    used, a card without memory, a graph that is refused. The others were never installed or built.
    """

    runner: VideoRunner
    passed_over: Mapping[str, str]
    broken: frozenset[str] = frozenset()


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
    broken: set[str] = set()
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
            if isinstance(error, UnfitEngineError) or not isinstance(error, _MISSING):
                broken.add(runtime)
            continue
        return OpenedVideo(runner, MappingProxyType(passed_over), frozenset(broken))
    raise AssertionError("the CPU is the last, and ends the loop")


def _open_tensorrt(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    files = graph_files(bundle)
    engine = find_engine(bundle.name, files, find_machine(options.card))
    return TensorRTRunner(engine, options.card)


def _open_tensorrt_ep(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    files = graph_files(bundle)
    providers = tensorrt_providers(bundle, files, options, GPU_BATCH)
    session = open_session(bundle.path(ROLE), options, providers)
    if TENSORRT not in session.providers:  # ONNX Runtime falls back, and says nothing
        raise RuntimeMissingError(
            f"ONNX Runtime {onnxruntime_version()} fell back from TensorRT: it was built for"
            f" another than the {tensorrt_version()} that is here, or lacks CUDA: {INSTALL} and"
            f" {_CUDA}, or set encoder.runtime to tensorrt"
        )
    name = "TensorRT (ONNX Runtime)"
    return SessionRunner(session, "tensorrt-ep", name, max_batch=GPU_BATCH)


def _open_rtx(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    files = graph_files(bundle)
    plugged = rtx_plugged(bundle, files, options, GPU_BATCH)
    session = open_session(bundle.path(ROLE), options, plugged)
    name = "TensorRT for RTX (ONNX Runtime)"
    return SessionRunner(session, "tensorrt-rtx", name, max_batch=GPU_BATCH)


def _open_cuda(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    session = open_session(bundle.path("video"), options, cuda_providers(options))
    if CUDA not in session.providers:
        raise RuntimeMissingError(
            f"ONNX Runtime {onnxruntime_version()} fell back from CUDA: libraries of CUDA or cuDNN"
            f" are missing or do not fit, or the driver is too old for them: {_CUDA}"
        )
    return SessionRunner(session, "cuda", "CUDA (ONNX Runtime)")


def _open_cpu(bundle: Bundle, options: SessionOptions) -> VideoRunner:
    session = open_session(bundle.path("video"), options, [CPU])
    return SessionRunner(session, "cpu", "CPU (ONNX Runtime)", CPU_BATCH)


_OPEN: Mapping[str, Callable[[Bundle, SessionOptions], VideoRunner]] = MappingProxyType(
    {
        "tensorrt": _open_tensorrt,
        "tensorrt-rtx": _open_rtx,
        "tensorrt-ep": _open_tensorrt_ep,
        "cuda": _open_cuda,
        "cpu": _open_cpu,
    }
)
