"""The video tower's speed and precision, every way there is to run it in one run, turns taken."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from deploy.bench.contenders import CONTENDERS, REFERENCE, Run
from deploy.bench.encode_latency import LatencyOptions, bench_latency
from deploy.bench.encode_row import EncodeRow
from deploy.bench.encode_tower import RandomTower, chosen_config, made_tower, product_tflops
from deploy.bench.figure import Figure
from deploy.errors import BenchError
from encoder.errors import EncoderError
from encoder.internvideo2.config import VARIANTS
from encoder.internvideo2.cost import attention_share, clip_flops

TARGET_SHARE = 0.5  # of the measured rate of matrix products
_TURNS = 5
_SIDES = {"cpu": 1024, "cuda": 8192}  # of the matrices of that product
_FAULTS = (EncoderError, RuntimeError, ImportError, OSError)  # RuntimeError: torch's, for all

Found = EncodeRow | Figure
Clips = NDArray[np.uint8]  # [B, T, H, W, 3]
Vectors = NDArray[np.float32]  # [B, D]


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """What is measured, and for how long."""

    model: str = "stage2-1b"
    frames: int | None = None  # of a clip; None: as the model is published
    batch: int = 32
    seconds: float = 10.0  # for each contender
    device: str = "auto"  # or cpu, cuda, cuda:1
    reduced: bool = False  # a tower that a CPU runs at once; says nothing of the real one
    cameras: int = 170  # 0: no latency is measured
    only: Sequence[str] = ()  # names of contenders; none: all


def bench_encode(options: EncodeOptions) -> Iterator[Found]:
    """A row for each contender, then what belongs to all of them.

    Raises BenchError where torch or the card is missing, or an option cannot be meant.
    """
    _check(options)
    device = _device(options.device)
    config = chosen_config(options.model, options.frames, reduced=options.reduced)
    with made_tower(config, device) as tower:
        race = _Race(tower, options)
        yield from race.rows()
        yield Figure("a clip's operations", clip_flops(config) / 1e9, "GFLOP")
        yield Figure("of them in attention", attention_share(config) * 100, "%")
        yield Figure("matrix product in bf16", race.product_tflops, "TFLOP/s")
        yield from _residuals(tower)
        yield from race.best()


class _Race:
    """Contenders on one tower; what is wrong with one is its row's problem, and nobody else's."""

    def __init__(self, tower: RandomTower, options: EncodeOptions) -> None:
        side = _SIDES[tower.device.partition(":")[0]]
        self.product_tflops = product_tflops(tower.device, side)
        self._tower = tower
        self._options = options
        self._runs: dict[str, Run] = {}
        self._rows: dict[str, EncodeRow] = {}

    def rows(self) -> Iterator[EncodeRow]:
        """One for each contender, in their order."""
        telling = self._tower.telling()
        wanted = _in_batches(CONTENDERS[REFERENCE](self._tower, 1).run, telling, 1)
        for name in self._options.only or CONTENDERS:
            self._enter(name, telling, wanted)
        flops = clip_flops(self._tower.config)
        for name, speed in self._speeds().items():
            self._rows[name] = self._rows[name].at(speed, flops, self.product_tflops)
        yield from self._rows.values()

    def best(self) -> Iterator[Figure]:
        """What the fastest one reaches, and how long clips of many cameras wait for it."""
        ran = [row for row in self._rows.values() if row.share is not None and not row.problem]
        if not ran:
            return
        best = max(ran, key=lambda row: row.share or 0.0)
        real = self._tower.device != "cpu" and not self._options.reduced
        target = TARGET_SHARE * 100 if real else None
        share = (best.share or 0.0) * 100
        yield Figure(f"the fastest ({best.name}) / matrix product", share, "%", "at least", target)
        if self._options.cameras:
            latency = LatencyOptions(
                cameras=self._options.cameras,
                seconds=self._options.seconds,
                batch=self._options.batch,
                overlaps=self._tower.device != "cpu",
                has_target=real,
            )
            clip = self._tower.noise(1)[0]
            yield from bench_latency(self._runs[best.name], self._tower.space, clip, latency)

    def _enter(self, name: str, telling: Clips, wanted: Vectors) -> None:
        row = EncodeRow(name)
        try:
            loaded = CONTENDERS[name](self._tower, self._options.batch)
            row = replace(row, runs_on=loaded.runs_on)
            row = row.against(_in_batches(loaded.run, telling, self._options.batch), wanted)
            loaded.run(self._tower.noise(self._options.batch))  # the first of a size sets things up
            self._runs[name] = loaded.run
        except _FAULTS as error:
            row = replace(row, problem=_first_line(error))
        self._rows[name] = row

    def _speeds(self) -> Mapping[str, float]:
        """Clips a second, the median of turns."""
        clips = self._tower.noise(self._options.batch)
        turns: dict[str, list[float]] = {name: [] for name in self._runs}
        for _ in range(_TURNS):
            for name, rates in turns.items():
                try:
                    rates.append(_rate(self._runs[name], clips, self._options.seconds / _TURNS))
                except _FAULTS as error:
                    self._rows[name] = replace(self._rows[name], problem=_first_line(error))
        return {name: median(rates) for name, rates in turns.items() if len(rates) == _TURNS}


def _rate(run: Run, clips: Clips, seconds: float) -> float:
    began = perf_counter()
    runs = 0
    while not runs or perf_counter() - began < seconds:
        run(clips)
        runs += 1
    return runs * len(clips) / (perf_counter() - began)


def _in_batches(run: Run, clips: Clips, batch: int) -> Vectors:
    parts = [run(clips[first : first + batch]) for first in range(0, len(clips), batch)]
    return np.concatenate(parts)


def _residuals(tower: RandomTower) -> Iterator[Figure]:
    """What float16 would have to hold: the largest number of the stream after each block."""
    from encoder.internvideo2.residuals import residual_peaks

    each = [residual_peaks(tower.tower, tower.pixels(clip[None])) for clip in tower.telling()]
    for number, peaks in enumerate(zip(*each, strict=True)):
        yield Figure(f"max |residual| after block {number}", max(peaks))


def _check(options: EncodeOptions) -> None:
    if find_spec("torch") is None or find_spec("onnxscript") is None:
        raise BenchError("PyTorch is not installed: pip install 'watchword[train]' to compare")
    if options.model not in VARIANTS:
        raise BenchError(f"no model {options.model!r}: name one of {', '.join(VARIANTS)}")
    for name in options.only:
        if name not in CONTENDERS:
            raise BenchError(f"no contender {name!r}: name some of {', '.join(CONTENDERS)}")


def _device(asked: str) -> str:
    """The device as PyTorch names it; float32 on a card stays float32, TF32 would not."""
    import torch

    there = torch.cuda.is_available()
    if asked == "cpu" or (asked == "auto" and not there):
        return "cpu"
    number = asked.partition(":")[2] or "0"
    if asked.partition(":")[0] not in ("auto", "cuda") or not number.isdecimal():
        raise BenchError(f"no device {asked!r}: name auto, cpu, cuda, or cuda:1 for the second")
    if not there or int(number) >= torch.cuda.device_count():
        raise BenchError(f"PyTorch sees no card {asked}: try --device cpu --reduced")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return f"cuda:{number}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
