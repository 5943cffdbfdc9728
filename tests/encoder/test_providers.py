"""What compiling providers are told; where they keep things follows from what these are of."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from encoder import providers
from encoder.bundle import Bundle
from encoder.errors import RuntimeMissingError
from encoder.providers import (
    TENSORRT,
    cuda_providers,
    rtx_plugged,
    rtx_version,
    tensorrt_providers,
)
from encoder.session import CPU, CUDA, SessionOptions
from encoder.tensorrt.key import Machine

FILES = {"video_tensorrt.onnx": "ab"}
MACHINE = Machine(
    tensorrt="11.4.0.106", gpu="NVIDIA H100", compute_capability="9.0", system="linux-x86_64"
)
CARD_2 = SessionOptions(device="cuda:2")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def built_for(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def say(*names: str) -> None:
        monkeypatch.setattr(providers, "available_providers", lambda: names)

    return say


def test_cuda(built_for) -> None:
    built_for(CUDA, CPU)
    assert cuda_providers(CARD_2) == [(CUDA, {"device_id": "2"}), CPU]
    built_for(CPU)
    with pytest.raises(RuntimeMissingError, match=r"watchword\[gpu\]"):
        cuda_providers(CARD_2)


def told(bundle: Bundle, files: dict[str, str] = FILES, batch: int = 16) -> dict[str, str]:
    (name, options), *rest = tensorrt_providers(bundle, files, CARD_2, batch)
    assert (name, rest) == (TENSORRT, [(CUDA, {"device_id": "2"}), CPU])
    return dict(options)  # type: ignore[call-overload]


def test_tensorrt_in_onnx_runtime(bundle: Bundle, built_for, cache: Path, monkeypatch) -> None:
    built_for(TENSORRT, CUDA, CPU)
    monkeypatch.setattr(providers, "find_machine", lambda _device: MACHINE)
    options = told(bundle)
    assert options["device_id"] == "2"
    assert options["trt_profile_min_shapes"] == "frames:1x2x4x6x3"
    assert options["trt_profile_max_shapes"] == "frames:16x2x4x6x3"
    folder = Path(options["trt_engine_cache_path"])
    assert folder.is_dir()
    assert folder.is_relative_to(cache)


def test_nothing_is_kept_of_another_model_version_card_or_shape(
    bundle: Bundle, built_for, monkeypatch
) -> None:
    built_for(TENSORRT, CUDA, CPU)
    folders = []
    for gpu in ("NVIDIA H100", "NVIDIA A10"):
        card = Machine(tensorrt="11", gpu=gpu, compute_capability="9.0", system="s")
        monkeypatch.setattr(providers, "find_machine", lambda _device, card=card: card)
        folders.append(told(bundle)["trt_engine_cache_path"])
    folders.append(told(bundle, {"video_tensorrt.onnx": "cd"})["trt_engine_cache_path"])
    folders.append(told(bundle, batch=8)["trt_engine_cache_path"])
    monkeypatch.setattr(providers, "onnxruntime_version", lambda: "99")
    folders.append(told(bundle)["trt_engine_cache_path"])
    assert len(set(folders)) == len(folders)
    assert told(bundle)["trt_engine_cache_path"] == folders[-1]


def test_without_tensorrt_it_cannot_be_had(bundle: Bundle, built_for) -> None:
    built_for(CUDA, CPU)
    with pytest.raises(RuntimeMissingError, match="knows no TensorRT"):
        told(bundle)


def test_rtx_that_is_not_installed(bundle: Bundle) -> None:
    with pytest.raises(RuntimeMissingError, match="pip install onnxruntime onnxruntime-ep-nv"):
        rtx_plugged(bundle, FILES, SessionOptions(), 8)
    assert rtx_version() == ""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Stands for NVIDIA's package: its two functions, and nothing behind them."""
    module: Any = ModuleType("onnxruntime_ep_nv_tensorrt_rtx")
    module.__version__ = "0.5.0"
    module.__spec__ = SimpleNamespace(name=module.__name__)
    module.get_ep_name = lambda: "NvTensorRTRTXExecutionProvider"
    module.get_library_path = lambda: str(tmp_path / "libonnxruntime_providers_nv.so")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module  # type: ignore[no-any-return]


def device(number: int, bus: str = "", called: str | None = None) -> SimpleNamespace:
    """One of the provider's devices: its kind, where it sits, what the provider calls it."""
    metadata = {"pci_bus_id": bus} if bus else {}
    hardware = SimpleNamespace(vendor_id=0x10DE, device_id=number, metadata=metadata)
    options = {} if called is None else {"device_id": called}
    return SimpleNamespace(device=hardware, ep_options=options)


class Cudart:
    """CUDA's cards by number, as far as it tells where they are."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    def cudaDeviceGetPCIBusId(self, letters: Any, size: int, card: int) -> int:
        if card >= len(self._addresses):
            return 101  # no such card
        letters.value = self._addresses[card].encode()[: size - 1]
        return 0


# What the system calls the first card is CUDA's second: the faster one comes first there
SERVED = (device(0x2204, "0000:0a:00.0", "0"), device(0x2684, "0000:65:00.0", "1"))


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what the provider serves, and where CUDA's cards are."""

    def say(served: tuple[SimpleNamespace, ...], *addresses: str) -> None:
        monkeypatch.setattr(providers, "plugged_devices", lambda _name, _library: served)
        cudart = Cudart(*addresses) if addresses else None
        monkeypatch.setattr(providers, "_load_cudart", lambda _folder: cudart)

    return say


def on(card: int) -> SessionOptions:
    return SessionOptions(device=f"cuda:{card}")


def test_rtx_on_the_card_that_is_meant(bundle: Bundle, plugin, cards) -> None:
    cards(SERVED, "0000:0A:00.0", "0000:65:00.0")
    plugged = rtx_plugged(bundle, FILES, on(1), 8)
    assert plugged.devices == (SERVED[1],)
    assert plugged.options["nv_profile_opt_shapes"] == "frames:8x2x4x6x3"
    assert Path(plugged.options["nv_runtime_cache_path"]).is_dir()
    first = rtx_plugged(bundle, FILES, SessionOptions(), 8)
    assert first.devices == (SERVED[0],)
    assert first.options["nv_runtime_cache_path"] != plugged.options["nv_runtime_cache_path"]


def test_rtx_that_numbers_cards_otherwise_than_cuda_is_not_run_on_the_wrong_one(
    bundle: Bundle, plugin, cards
) -> None:
    cards(SERVED, "0000:65:00.0", "0000:0a:00.0")
    with pytest.raises(RuntimeMissingError, match=r"cuda:0 its card 1: .*CUDA_VISIBLE_DEVICES=0"):
        rtx_plugged(bundle, FILES, SessionOptions(), 8)


def test_rtx_that_serves_another_card_than_the_one_that_is_meant(
    bundle: Bundle, plugin, cards
) -> None:
    """An older card is CUDA's first, and not served: the second is not taken in its place."""
    cards((device(0x2684, "0000:65:00.0", "0"),), "0000:0a:00.0", "0000:65:00.0")
    with pytest.raises(RuntimeMissingError, match="serves 1 of the cards here, cuda:0 is not"):
        rtx_plugged(bundle, FILES, SessionOptions(), 8)


@pytest.mark.parametrize("addresses", [(), ("0000:65:00.0",)])
def test_rtx_whose_only_card_does_not_say_where_it_is(
    bundle: Bundle, plugin, cards, addresses: tuple[str, ...]
) -> None:
    only = device(0x2684)
    cards((only,), *addresses)
    assert rtx_plugged(bundle, FILES, SessionOptions(), 8).devices == (only,)
    with pytest.raises(RuntimeMissingError, match="cuda:1 is not among them"):
        rtx_plugged(bundle, FILES, on(1), 8)
    cards((only, only), *addresses)
    with pytest.raises(RuntimeMissingError, match="cuda:0 is not among them"):
        rtx_plugged(bundle, FILES, SessionOptions(), 8)


def test_rtx_that_serves_no_card_here(bundle: Bundle, plugin, cards) -> None:
    cards((), "0000:65:00.0")
    with pytest.raises(RuntimeMissingError, match="serves none of the cards here, cuda:0 is not"):
        rtx_plugged(bundle, FILES, SessionOptions(), 8)


def test_rtx_whose_cuda_runtime_is_damaged(bundle: Bundle, plugin, tmp_path: Path) -> None:
    (tmp_path / "libcudart.so.13.4.36").write_bytes(b"no library")
    with pytest.raises(RuntimeMissingError, match=r"libcudart\.so\.13\.4\.36 cannot be loaded"):
        rtx_plugged(bundle, FILES, SessionOptions(), 8)


def test_a_cache_that_cannot_be_written(bundle: Bundle, plugin, monkeypatch, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    monkeypatch.setattr(providers, "plugged_devices", lambda _name, _library: (device(1),))
    with pytest.raises(RuntimeMissingError, match="cannot be made"):
        rtx_plugged(bundle, FILES, SessionOptions(), 8)
