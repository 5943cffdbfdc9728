"""ONNX Runtime, in the one file that knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from encoder.errors import ModelError, RuntimeMissingError

Arrays = Mapping[str, NDArray[Any]]
_ERRORS_ONLY = 3  # ONNX Runtime's log severity
_PREFERRED = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a model is run."""

    threads: int = 0  # CPU threads inside one operator; 0 = one for every core
    device: str = "auto"  # "auto" takes the card if ONNX Runtime sees one; "cpu" never does
    tensorrt: bool = False  # TensorRT builds an engine for minutes on first use: opt in


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
        """All outputs by name. Raises ModelError if ONNX Runtime refuses the inputs."""
        try:
            values = self._inner.run(self.outputs, dict(inputs))
        except Exception as error:
            raise ModelError(f"{self._path} refused its input: {error}") from error
        return dict(zip(self.outputs, values, strict=True))

    def require(self, inputs: set[str], outputs: set[str]) -> None:
        """Raises ModelError unless it has exactly these inputs, and these outputs among its own."""
        if set(self.inputs) != inputs or not outputs <= set(self.outputs):
            raise ModelError(
                f"{self._path} has inputs {sorted(self.inputs)} and outputs {sorted(self.outputs)};"
                f" wanted are {sorted(inputs)} and {sorted(outputs)}"
            )


def open_session(path: Path, options: SessionOptions | None = None) -> Session:
    """Load an ONNX file.

    Raises RuntimeMissingError if ONNX Runtime is not installed, ModelError if it refuses the file.
    """
    options = options or SessionOptions()
    ort = _onnxruntime()
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = _ERRORS_ONLY
    # Threads that spin while they wait would take the cores decoding needs.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = choose_providers(ort.get_available_providers(), options)
    try:
        inner = ort.InferenceSession(str(path), settings, providers=providers)
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot load {path}: {error}") from error
    return Session(inner, path)


def available_providers() -> tuple[str, ...]:
    """What the installed ONNX Runtime was built to run on; raises RuntimeMissingError."""
    return tuple(_onnxruntime().get_available_providers())


def choose_providers(available: list[str], options: SessionOptions) -> list[str]:
    """The providers to ask for, best first; the CPU is always the last."""
    if options.device == "cpu":
        return ["CPUExecutionProvider"]
    wanted = _PREFERRED if options.tensorrt else _PREFERRED[1:]
    return [provider for provider in wanted if provider in available]


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
