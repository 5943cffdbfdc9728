"""ONNX Runtime, in the one file that knows it."""

import contextlib
import functools
import io
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from numpy.typing import NDArray

from encoder.errors import CardMemoryError, EngineError, ModelError, RuntimeMissingError

Arrays = Mapping[str, NDArray[Any]]
Provider = str | tuple[str, dict[str, str]]  # by name, with its options or without
Runtime = Literal["auto", "tensorrt", "tensorrt-rtx", "tensorrt-ep", "cuda", "cpu"]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_ERRORS_ONLY = 3  # ONNX Runtime's log severity
# An operator on the CPU fails by its inputs alone; one on a card in many ways, all but these
_OF_INPUTS = ("InvalidArgument", "ValueError", "TypeError")
_NO_MEMORY = re.compile(r"out of memory|failed to allocate|bad[ _]alloc", re.I)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a model is run."""

    threads: int = 0  # CPU threads inside one operator; 0 = one for every core
    device: str = "auto"  # "auto" takes a card if there is one, "cpu" never; "cuda:1" wants one
    runtime: Runtime = "auto"  # of the video tower, see `encoder.runtimes`; others: CUDA or CPU

    @property
    def card(self) -> int:
        """The number of the card, if one is used."""
        return int(self.device.partition(":")[2] or 0)


@dataclass(frozen=True, slots=True)
class Plugged:
    """Devices of a provider that came in a library of its own, and the provider's options."""

    devices: Sequence[Any]
    options: dict[str, str]


class Session:
    """A loaded model: named arrays in, named arrays out. Safe to share between threads."""

    def __init__(self, inner: Any, path: Path) -> None:
        self._inner = inner
        self._path = path
        self.inputs: dict[str, tuple[int | str | None, ...]] = {
            i.name: tuple(i.shape) for i in inner.get_inputs()
        }
        self.outputs: tuple[str, ...] = tuple(o.name for o in inner.get_outputs())
        self.providers: tuple[str, ...] = tuple(inner.get_providers())

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """All outputs by name.

        Raises ModelError if ONNX Runtime refuses the inputs, EngineError if what it runs on fails,
        CardMemoryError if a card has no memory left.
        """
        try:
            values = self._inner.run(self.outputs, dict(inputs))
        except Exception as error:
            raise self._told(error) from error
        return dict(zip(self.outputs, values, strict=True))

    def _told(self, error: Exception) -> EngineError | ModelError:
        """Ours for what ONNX Runtime raised: whose fault it was."""
        on_card = self.providers[0] != CPU
        if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            if on_card:
                return CardMemoryError(
                    f"the card has no memory left for {self._path} ({error}): end what else uses"
                    " it, or set encoder.batch to fewer clips"
                )
            return EngineError(f"there is no memory left for {self._path} ({error}): add some")
        if on_card and type(error).__name__ not in _OF_INPUTS:
            name = self.providers[0].removesuffix("ExecutionProvider")
            return EngineError(f"{name} fails at {self._path} ({error}): restart Watchword")
        return ModelError(f"{self._path} refused its input: {error}")

    def require(self, inputs: set[str], outputs: set[str]) -> None:
        """Raises ModelError unless it has exactly these inputs, and these outputs among its own."""
        if set(self.inputs) != inputs or not outputs <= set(self.outputs):
            raise ModelError(
                f"{self._path} has inputs {sorted(self.inputs)} and outputs {sorted(self.outputs)};"
                f" wanted are {sorted(inputs)} and {sorted(outputs)}"
            )


def open_session(
    path: Path,
    options: SessionOptions | None = None,
    on: Sequence[Provider] | Plugged | None = None,
) -> Session:
    """Load an ONNX file, to run `on` these providers; by default on CUDA if it works.

    Raises RuntimeMissingError if ONNX Runtime is not installed, ModelError if it refuses the file.
    """
    options = options or SessionOptions()
    if on is not None:
        return _open(path, options, on)
    chosen = choose_providers(available_providers(), options)
    try:
        return _open(path, options, chosen)
    except ModelError as error:
        if chosen == [CPU] or options.device != "auto":
            raise
        session = _open(path, options, [CPU])  # raises where it is the file's fault
        _log.warning("%s runs on the CPU, since on the card it does not: %s", path.name, error)
        return session


def _open(path: Path, options: SessionOptions, on: Sequence[Provider] | Plugged) -> Session:
    ort = _onnxruntime()
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = _ERRORS_ONLY
    # Threads that spin while they wait would take the cores decoding needs.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if on != [CPU]:
        _load_libraries()
    # Its own fallback prints to standard output, and would run elsewhere than we say
    kept = {"enable_fallback": 0}
    try:
        if isinstance(on, Plugged):
            settings.add_provider_for_devices(list(on.devices), on.options)
            inner = ort.InferenceSession(str(path), settings, **kept)
        else:
            inner = ort.InferenceSession(str(path), settings, providers=list(on), **kept)
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot load {path}: {error}") from error
    return Session(inner, path)


def available_providers() -> tuple[str, ...]:
    """What the installed ONNX Runtime was built to run on; raises RuntimeMissingError."""
    return tuple(_onnxruntime().get_available_providers())


def onnxruntime_version() -> str:
    """As 1.31.1; raises RuntimeMissingError."""
    return str(_onnxruntime().__version__)


def choose_providers(available: Sequence[str], options: SessionOptions) -> list[Provider]:
    """The providers to ask for, best first; the CPU is always the last."""
    if options.device == "cpu" or options.runtime == "cpu" or CUDA not in available:
        return [CPU]
    return [(CUDA, {"device_id": str(options.card)}), CPU]


def plugged_devices(name: str, library: Path) -> tuple[Any, ...]:
    """The devices of the provider `name`, which lies in a library of its own and is loaded once.

    Raises RuntimeMissingError if this ONNX Runtime takes no such libraries, or not this one.
    """
    ort = _onnxruntime()
    if not hasattr(ort, "register_execution_provider_library"):
        raise RuntimeMissingError(
            f"ONNX Runtime {ort.__version__} cannot load {name}: pip install --upgrade onnxruntime"
        )
    try:
        if not _of_provider(ort, name):
            ort.register_execution_provider_library(name, str(library))
    except Exception as error:
        raise RuntimeMissingError(
            f"ONNX Runtime {ort.__version__} cannot load {library.name}: {error}"
        ) from error
    return _of_provider(ort, name)


@functools.cache
def _load_libraries() -> None:
    """Load CUDA and cuDNN as `watchword[gpu]` brings them, where nothing else finds them.

    Before the first session on a card; PyTorch's own are not looked at, it may be of another CUDA.
    """
    ort = _onnxruntime()
    if CUDA not in ort.get_available_providers() or not hasattr(ort, "preload_dlls"):
        return
    said = io.StringIO()  # what it misses it prints; whether that matters, the session shows
    with contextlib.redirect_stdout(said):
        ort.preload_dlls(directory="")
    if told := " ".join(said.getvalue().split()):
        _log.debug("ONNX Runtime on loading CUDA: %s", told)


def _of_provider(ort: ModuleType, name: str) -> tuple[Any, ...]:
    return tuple(device for device in ort.get_ep_devices() if device.ep_name == name)


def _onnxruntime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeMissingError(
            "ONNX Runtime is not installed: pip install 'watchword[cpu]', or 'watchword[gpu]' on a"
            " machine with an NVIDIA card"
        ) from error
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    module: ModuleType = onnxruntime
    return module
