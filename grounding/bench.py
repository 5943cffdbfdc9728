"""How long one (window, query) pair takes, PyTorch eager against ONNX Runtime."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.session import SessionOptions, open_session


@dataclass(frozen=True, slots=True)
class RuntimeComparison:
    """Medians over interleaved rounds, in milliseconds per pair."""

    batch: int
    clips: int
    threads: int
    eager_ms: float
    onnx_ms: float

    @property
    def ratio(self) -> float:
        """How many times as fast ONNX Runtime is."""
        return self.eager_ms / self.onnx_ms


@dataclass(frozen=True, slots=True)
class Workload:
    """What is timed; the features are random, since speed does not depend on them."""

    batch: int = 8
    clips: int = 76
    tokens: int = 12
    threads: int = 2
    rounds: int = 15


def compare_runtimes(
    detector: Path, preset: str = "live", workload: Workload | None = None
) -> RuntimeComparison:
    """Time the ONNX file `detector` against PyTorch eager with the same sizes, on the same cores.

    The two take turns within every round, so that a busy machine slows both; each round counts one
    run of each and the medians are reported. `preset` names the constructor of the eager network's
    configuration (`SGDETRConfig.live` and so on), whose weights are not trained.
    """
    import torch

    from grounding.sgdetr.config import SGDETRConfig
    from grounding.sgdetr.model import SGDETR

    work = workload or Workload()
    config: SGDETRConfig = getattr(SGDETRConfig, preset)()
    arrays = _features(work, config.video_dims, config.text_features)
    session = open_session(detector, SessionOptions(threads=work.threads, device="cpu"))
    before = torch.get_num_threads()
    torch.set_num_threads(work.threads)
    try:
        model = SGDETR(config).eval()
        tensors = [torch.from_numpy(array) for array in arrays.values()]
        with torch.inference_mode():
            eager, onnx = _interleave(
                lambda: model(*tensors), lambda: session.run(arrays), work.rounds
            )
    finally:
        torch.set_num_threads(before)
    scale = 1000.0 / work.batch
    return RuntimeComparison(work.batch, work.clips, work.threads, eager * scale, onnx * scale)


def _features(work: Workload, video: int, text: int) -> dict[str, NDArray[np.float32]]:
    """Inputs of the detector, by name and in the network's order."""
    draw = np.random.default_rng(0)
    rows = draw.standard_normal((work.batch, work.clips, video), dtype=np.float32)
    words = draw.standard_normal((work.batch, work.tokens, text), dtype=np.float32)
    return {
        "video": rows,
        "video_mask": np.ones(rows.shape[:2], np.float32),
        "text": words,
        "text_mask": np.ones(words.shape[:2], np.float32),
    }


def _interleave(
    first: Callable[[], object], second: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Median seconds of each after one unmeasured run of both."""
    times: tuple[list[float], list[float]] = [], []
    for number in range(rounds + 1):
        for work, kept in zip((first, second), times, strict=True):
            start = time.perf_counter()
            work()
            if number:
                kept.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])
