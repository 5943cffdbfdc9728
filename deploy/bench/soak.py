"""Cameras that break every few seconds, read for a long time: memory, and no second untold."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry

from deploy.bench.faulty_camera import FAULTS, FaultyLine
from deploy.bench.figure import Figure
from deploy.bench.scene import SceneOptions, write_scene
from deploy.bench.watched_time import WatchedTime
from deploy.errors import BenchError
from streamer.address_policy import AddressPolicy
from streamer.bus import CAMERAS, CLIPS, Message
from streamer.camera_record import CameraRecord, pack_camera
from streamer.clip import ClipFormat
from streamer.config import BackOffSettings, StreamerPartConfig
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.part import build
from streamer.record import unpack_clip

SCENE = SceneOptions(width=640, height=360, seconds=20.0, bits_per_second=1_000_000)
FLAT = 1.05  # the most that memory may grow from the first to the last quarter
WARM_UP_SHARE = 0.2  # of the run, and not less than:
WARM_UP_SECONDS = 120.0  # until every camera has met every fault, and half a short run at most
SAMPLE_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SoakOptions:
    """How many cameras for how long, and how often one of them meets a fault."""

    cameras: int = 4
    seconds: float = 3600.0
    fault_seconds: float = 5.0
    seed: int = 7


@dataclass(slots=True)
class _Soaked:
    """What was seen."""

    watched: WatchedTime = field(default_factory=WatchedTime)
    memory: list[float] = field(default_factory=list)  # bytes of the process and its workers
    faults: Counter[str] = field(default_factory=Counter)
    clips: int = 0


def bench_soak(options: SoakOptions, clip_format: ClipFormat) -> Iterator[Figure]:
    """Figures of a run in which a camera, drawn by chance, meets a fault every few seconds.

    Raises BenchError if no clip comes.
    """
    soaked, registry = _Soaked(), CollectorRegistry()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="watchword-bench-")))
        lines = _start_lines(folder / "scene.mp4", options, stack)
        _watch(lines, options, soaked, (clip_format, registry))
    if not soaked.clips:
        raise BenchError("no camera gave a clip: there is nothing to tell")
    yield Figure("cameras", options.cameras)
    yield Figure("faults", soaked.faults.total())
    yield Figure("clips", soaked.clips)
    yield Figure("reconnects", _total(registry, "watchword_stream_reconnects_total"))
    yield Figure("seconds seen", soaked.watched.seen_seconds, "s")
    yield Figure("seconds told as blind", soaked.watched.blind_seconds, "s")
    yield Figure("seconds untold", soaked.watched.untold_seconds, "s", "at most", 0.0)
    yield from _memory_figures(soaked.memory)


def _start_lines(film: Path, options: SoakOptions, stack: ExitStack) -> list[FaultyLine]:
    write_scene(film, SCENE, {"bf": "0"})  # reordered, it could not go on from turn to turn
    process = stack.enter_context(
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "deploy.bench.live_cameras", str(film)],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(process.kill)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    lines = [FaultyLine(port) for _ in range(options.cameras)]
    for line in lines:
        stack.callback(line.close)
    return lines


def _watch(
    lines: list[FaultyLine],
    options: SoakOptions,
    soaked: _Soaked,
    told: tuple[ClipFormat, CollectorRegistry],
) -> None:
    clip_format, registry = told
    config = StreamerPartConfig(
        clip_format=clip_format,
        address_policy=AddressPolicy(loopback=True, private=False),
        back_off=BackOffSettings(0.5, 4.0),
        read_timeout_seconds=5.0,
    )
    bus, stop = MemoryBus(), threading.Event()
    part = build(config, bus, StreamerMetrics(registry))
    running = threading.Thread(target=part.run, args=(stop,))
    running.start()
    try:
        for number, line in enumerate(lines):
            source = f"http://127.0.0.1:{line.port}/{number}"
            record = CameraRecord(camera_id=f"camera-{number}", source=source)
            bus.publish(Message(CAMERAS.name, record.camera_id, pack_camera(record)))
        _follow(bus, lines, options, soaked)
    finally:
        stop.set()
        running.join(_PATIENCE_SECONDS)
        bus.close()


def _follow(bus: MemoryBus, lines: list[FaultyLine], options: SoakOptions, soaked: _Soaked) -> None:
    chance = random.Random(options.seed)  # noqa: S311 - no secret depends on it
    reader = bus.subscribe(CLIPS.name, "bench")
    began = time.monotonic()
    next_fault, next_sample = began + options.fault_seconds, began
    while (now := time.monotonic()) - began < options.seconds:
        for record in reader.poll(0.2):
            soaked.watched.take(unpack_clip(record.value or b""))
            soaked.clips += 1
        reader.commit()
        if now >= next_fault:
            fault = chance.choice(FAULTS)
            chance.choice(lines).inject(fault)
            soaked.faults[fault] += 1
            next_fault += options.fault_seconds
        if now >= next_sample:
            soaked.memory.append(_resident_bytes())
            next_sample += SAMPLE_SECONDS
    reader.close()


def _memory_figures(memory: list[float]) -> Iterator[Figure]:
    warm = max(WARM_UP_SHARE * len(memory), WARM_UP_SECONDS / SAMPLE_SECONDS)
    settled = memory[int(min(warm, len(memory) / 2)) :]
    quarter = max(1, len(settled) // 4)
    first, last = median(settled[:quarter]), median(settled[-quarter:])
    yield Figure("resident memory, last quarter", last / 1e6, "MB")
    yield Figure("memory, last / first quarter", last / first, "x", "at most", FLAT)


def _resident_bytes() -> float:
    """Of this process and all below it."""
    return sum(_pages(pid) for pid in _family(os.getpid())) * os.sysconf("SC_PAGE_SIZE")


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text(encoding="ascii").split()
        except OSError:  # the thread ended
            continue
        for child in children:
            yield from _family(int(child))


def _pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # it ended
        return 0


def _total(registry: CollectorRegistry, name: str) -> float:
    return sum(
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    )
