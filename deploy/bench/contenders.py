"""The ways to run one video tower, side by side: plain and ours in PyTorch, and the runtimes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deploy.bench.encode_tower import RandomTower
from encoder.bundle import Bundle
from encoder.errors import RuntimeMissingError
from encoder.providers import cuda_providers
from encoder.runtimes import SessionRunner, open_video
from encoder.session import CPU, CUDA, Runtime, SessionOptions, open_session
from encoder.tensorrt.installed import find_machine
from encoder.tensorrt.key import BuildOptions
from encoder.tensorrt.ordering import ROLE, EngineShop
from encoder.tensorrt.runtime import TensorRTRunner

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # [B, T, H, W, 3] -> [B, D]
Kind = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A contender that is ready."""

    run: Run
    runs_on: str


Load = Callable[[RandomTower, int], Loaded]  # of a tower, for batches of so many clips


def _eager(kind: Kind) -> Load:
    def load(tower: RandomTower, batch: int) -> Loaded:
        import torch

        from deploy.bench.eager_tower import eager_embedding

        dtype = torch.float32 if kind == "fp32" else torch.bfloat16
        state = tower.tower.in_precision(dtype).state_dict()

        def run(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
            with torch.inference_mode():
                vectors = eager_embedding(state, tower.config, tower.pixels(clips))
                found: NDArray[np.float32] = vectors.cpu().numpy()
            return found

        return Loaded(run, f"PyTorch {torch.__version__} on {_place(tower)}, unfused")

    return load


def _ours(kind: Kind) -> Load:
    def load(tower: RandomTower, batch: int) -> Loaded:
        import torch

        dtype = torch.float32 if kind == "fp32" else torch.bfloat16
        module = tower.tower.in_precision(dtype)

        def run(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
            with torch.inference_mode():
                found: NDArray[np.float32] = module(tower.pixels(clips)).cpu().numpy()
            return found

        return Loaded(run, f"PyTorch {torch.__version__} on {_place(tower)}")

    return load


def _plain_graph(tower: RandomTower, batch: int) -> Loaded:
    runtime: Runtime = "cpu" if tower.device == "cpu" else "cuda"
    return _opened(tower, tower.plain, runtime)


def _fused_graph(kind: Literal["fp16", "bf16"]) -> Load:
    def load(tower: RandomTower, batch: int) -> Loaded:
        options = SessionOptions(device=tower.device)
        on = [CPU] if tower.device == "cpu" else cuda_providers(options)
        path = (tower.half if kind == "fp16" else tower.fused).path(ROLE)
        session = open_session(path, options, on)
        name = "CPU" if tower.device == "cpu" else "CUDA"
        if name == "CUDA" and CUDA not in session.providers:
            raise RuntimeMissingError("ONNX Runtime fell back from CUDA to the CPU")
        runner = SessionRunner(session, name.lower(), f"{name} (ONNX Runtime), the fused graph")
        return Loaded(runner.run, runner.description)

    return load


def _tensorrt(tower: RandomTower, batch: int) -> Loaded:
    card = SessionOptions(device=_card(tower)).card
    shop = EngineShop(find_machine(card), card, tower.folder / "engines")
    engine, _ = shop.build(tower.fused, BuildOptions(max_batch=batch))
    runner = TensorRTRunner(engine, card)
    return Loaded(runner.run, runner.description)


def _provider(runtime: Runtime) -> Load:
    def load(tower: RandomTower, batch: int) -> Loaded:
        _card(tower)
        return _opened(tower, tower.fused, runtime)

    return load


def _opened(tower: RandomTower, bundle: Bundle, runtime: Runtime) -> Loaded:
    runner = open_video(bundle, SessionOptions(device=tower.device, runtime=runtime)).runner
    return Loaded(runner.run, runner.description)


def _card(tower: RandomTower) -> str:
    if tower.device == "cpu":
        raise RuntimeMissingError("it needs an NVIDIA card, and --device is cpu here")
    return tower.device


def _place(tower: RandomTower) -> str:
    import torch

    return "the CPU" if tower.device == "cpu" else torch.cuda.get_device_name(tower.device)


CONTENDERS: Mapping[str, Load] = MappingProxyType(
    {
        "eager-fp32": _eager("fp32"),
        "eager-bf16": _eager("bf16"),
        "torch-fp32": _ours("fp32"),
        "torch-bf16": _ours("bf16"),
        "onnxruntime-fp32": _plain_graph,
        "onnxruntime-fp16": _fused_graph("fp16"),
        "onnxruntime-bf16": _fused_graph("bf16"),
        "tensorrt": _tensorrt,
        "tensorrt-rtx": _provider("tensorrt-rtx"),
        "tensorrt-ep": _provider("tensorrt-ep"),
    }
)
REFERENCE = "torch-fp32"  # what the precision of all is measured against
