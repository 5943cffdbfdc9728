"""What execution providers of ONNX Runtime that compile are told: shapes, and where to keep.

They do not notice that what they kept is of another model, version or card: the folder's name has
to say it, so that anything else finds it empty.
"""

import ctypes
import hashlib
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from encoder.bundle import Bundle
from encoder.errors import RuntimeMissingError
from encoder.session import (
    CPU,
    CUDA,
    Plugged,
    Provider,
    SessionOptions,
    available_providers,
    onnxruntime_version,
    plugged_devices,
)
from encoder.space import EmbeddingSpace
from encoder.tensorrt.installed import find_machine
from encoder.tensorrt.store import engines_folder

TENSORRT = "TensorrtExecutionProvider"
_RTX = "onnxruntime_ep_nv_tensorrt_rtx"  # a package, from several distributions
_RTX_INSTALL = "pip install onnxruntime onnxruntime-ep-nv-tensorrt-rtx"
_ADDRESS_BYTES = 32  # more than CUDA writes
_LEVEL = "3"  # of TensorRT's builder: its own default


def cuda_providers(options: SessionOptions) -> list[Provider]:
    """CUDA, and the CPU for what it lacks. Raises RuntimeMissingError if it is not there."""
    if CUDA not in available_providers():
        raise RuntimeMissingError(
            "this ONNX Runtime knows no CUDA: pip uninstall -y onnxruntime, then"
            " pip install 'watchword[gpu]'"
        )
    return [(CUDA, {"device_id": str(options.card)}), CPU]


def tensorrt_providers(
    bundle: Bundle, files: Mapping[str, str], options: SessionOptions, batch: int
) -> list[Provider]:
    """TensorRT as a provider of ONNX Runtime, CUDA for what it lacks.

    Raises RuntimeMissingError if it, TensorRT or the card is not there.
    """
    if TENSORRT not in available_providers():
        raise RuntimeMissingError(
            "this ONNX Runtime knows no TensorRT: pip uninstall -y onnxruntime, then"
            " pip install 'watchword[gpu]'"
        )
    machine = msgspec.to_builtins(find_machine(options.card))
    shapes = _shapes(bundle.space, batch)
    key = _key("tensorrt-ep", files, {**machine, "shapes": str(shapes), "level": _LEVEL})
    folder = str(_folder(key))
    told = {
        "device_id": str(options.card),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_engine_cache_prefix": key[:16],
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
        "trt_builder_optimization_level": _LEVEL,
        **{f"trt_profile_{which}_shapes": shape for which, shape in shapes.items()},
    }
    return [(TENSORRT, told), *cuda_providers(options)]


def rtx_plugged(
    bundle: Bundle, files: Mapping[str, str], options: SessionOptions, batch: int
) -> Plugged:
    """TensorRT for RTX, a provider in a package of its own, on the chosen card.

    Raises RuntimeMissingError if it is not installed, or serves none of the cards: it knows Ampere
    and later cards of the consumer and workstation lines, not A100, H100 or H200.
    """
    if importlib.util.find_spec(_RTX) is None:
        raise RuntimeMissingError(f"TensorRT for RTX is not installed: {_RTX_INSTALL}")
    try:
        plugin = importlib.import_module(_RTX)
        library = Path(plugin.get_library_path())
    except (ImportError, OSError) as error:
        raise RuntimeMissingError(
            f"TensorRT for RTX cannot be loaded ({error}): {_RTX_INSTALL}"
        ) from error
    address = _address(_load_cudart(library.parent), options.card)
    devices = plugged_devices(str(plugin.get_ep_name()), library)
    device = _device_of(devices, options.card, address)
    shapes = _shapes(bundle.space, batch)
    hardware = f"{device.device.vendor_id:x}:{device.device.device_id:x}"
    parts = {"plugin": str(plugin.__version__), "card": hardware, "shapes": str(shapes)}
    told = {
        "nv_runtime_cache_path": str(_folder(_key("tensorrt-rtx", files, parts))),
        **{f"nv_profile_{which}_shapes": shape for which, shape in shapes.items()},
    }
    return Plugged((device,), told)


def rtx_version() -> str:
    """The version of TensorRT for RTX's provider, "" if it is not installed."""
    names = metadata.packages_distributions().get(_RTX, [])
    return metadata.version(names[0]) if names else ""


def _load_cudart(folder: Path) -> Any | None:
    """Load the CUDA runtime that the package brings: without its links nothing else finds it."""
    library = None
    for path in sorted(folder.glob("libcudart.so.*")):
        try:
            library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise RuntimeMissingError(
                f"{path} cannot be loaded ({error}): {_RTX_INSTALL}"
            ) from error
    return library


def _address(cudart: Any | None, card: int) -> str:
    """Where CUDA's card of this number sits, as 0000:65:00.0; "" where that cannot be asked."""
    letters = ctypes.create_string_buffer(_ADDRESS_BYTES)
    if cudart is None or cudart.cudaDeviceGetPCIBusId(letters, _ADDRESS_BYTES, card):
        return ""
    return letters.value.decode().lower()


def _device_of(devices: Sequence[Any], card: int, address: str) -> Any:
    """The provider's device that is CUDA's card of this number.

    ONNX Runtime lists cards as the system does, and only those the provider serves; CUDA has an
    order of its own. Raises RuntimeMissingError where the card is not served, cannot be told from
    others, or has another number for the provider, which would run on that one.
    """
    wanted = [one for one in devices if _bus_of(one) == address] if address else []
    if not wanted and len(devices) == 1 and card == 0 and not (address and _bus_of(devices[0])):
        wanted = list(devices)  # one of them does not say where it is, and there is no other
    if not wanted:
        raise RuntimeMissingError(
            f"TensorRT for RTX serves {len(devices) or 'none'} of the cards here, cuda:{card} is"
            " not among them: use another encoder.runtime"
        )
    number = dict(wanted[0].ep_options).get("device_id", str(card))
    if number != str(card):
        raise RuntimeMissingError(
            f"TensorRT for RTX calls cuda:{card} its card {number}: set CUDA_VISIBLE_DEVICES={card}"
            " and encoder.device to cuda:0"
        )
    return wanted[0]


def _bus_of(device: Any) -> str:
    return str(dict(device.device.metadata).get("pci_bus_id", "")).lower()


def _shapes(space: EmbeddingSpace, batch: int) -> dict[str, str]:
    clip = f"{space.frames_per_clip}x{space.height}x{space.width}x3"
    most = f"frames:{batch}x{clip}"
    return {"min": f"frames:1x{clip}", "opt": most, "max": most}


def _key(kind: str, files: Mapping[str, str], parts: Mapping[str, Any]) -> str:
    named = {"kind": kind, "files": files, "onnxruntime": onnxruntime_version(), **parts}
    return hashlib.sha256(msgspec.json.encode(named, order="sorted")).hexdigest()


def _folder(key: str) -> Path:
    folder = engines_folder() / "onnxruntime" / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeMissingError(f"{folder} cannot be made: {error.strerror}") from error
    return folder
