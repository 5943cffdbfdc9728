"""Whether TensorRT, the CUDA runtime and a card are here.

cuda-python's `cuda.bindings` is used for memory, streams and graphs: NVIDIA keeps it in step with
CUDA, it holds the runtime itself and so needs a driver and nothing else, and TensorRT takes its
addresses as plain numbers. PyTorch could do the same at several gigabytes.
"""

import platform
import sys
from typing import Any

from encoder.errors import RuntimeMissingError
from encoder.tensorrt.key import Machine

INSTALL = "pip install 'watchword[tensorrt]'"


def tensorrt_version() -> str:
    """As 11.4.0.106. Raises RuntimeMissingError where it is not installed or cannot be loaded."""
    try:
        import tensorrt
    except ImportError as error:
        raise RuntimeMissingError(f"TensorRT cannot be loaded ({error}): {INSTALL}") from error
    version = getattr(tensorrt, "__version__", None)
    if version is None:  # an empty folder of that name can be imported too
        raise RuntimeMissingError(f"what is called tensorrt here is not TensorRT: {INSTALL}")
    return str(version)


def load_cuda() -> Any:
    """`cuda.bindings.runtime`. Raises RuntimeMissingError where it is not installed."""
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise RuntimeMissingError(f"cuda-bindings is not installed ({error}): {INSTALL}") from error
    return runtime


def find_machine(device: int) -> Machine:
    """This machine with its card number `device`, from 0.

    Raises RuntimeMissingError if TensorRT, a driver or that card is missing.
    """
    version = tensorrt_version()
    cuda = load_cuda()
    error, count = cuda.cudaGetDeviceCount()
    if int(error) or not count:
        found = error_words(cuda, error) if int(error) else "the driver lists none"
        raise RuntimeMissingError(f"no NVIDIA card can be used ({found}): see watchword doctor")
    if device >= count:
        raise RuntimeMissingError(
            f"there is no card cuda:{device}, this machine has {count}: count from cuda:0"
        )
    error, card = cuda.cudaGetDeviceProperties(device)
    if int(error):
        raise RuntimeMissingError(
            f"card cuda:{device} does not answer ({error_words(cuda, error)}): see watchword doctor"
        )
    return Machine(
        tensorrt=version,
        gpu=card.name.decode().rstrip("\0"),
        compute_capability=f"{card.major}.{card.minor}",
        system=f"{sys.platform}-{platform.machine()}",
    )


def error_words(cuda: Any, error: Any) -> str:
    """What CUDA says of an error."""
    _, words = cuda.cudaGetErrorString(error)
    return words.decode() if isinstance(words, bytes) else str(words)
