"""How long a clip waits for its embedding, when many cameras send theirs to one encoder."""

import heapq
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deploy.bench.contenders import Run
from deploy.bench.figure import Figure
from deploy.errors import BenchError
from encoder.config import EncoderConfig
from encoder.record import unpack_embedding
from encoder.space import EmbeddingSpace
from encoder.worker import EncoderWorker
from streamer.bus import CLIPS, EMBEDDINGS, Message
from streamer.clip import Clip
from streamer.errors import BusClosedError
from streamer.fleet import begin_after
from streamer.memory_bus import MemoryBus
from streamer.record import pack_clip

CLIP_SECONDS = 2.0
TARGET_SECONDS = 0.2
_POLL_SECONDS = 0.05
_DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """So many cameras, each with a clip every two seconds, for so long."""

    cameras: int = 170
    seconds: float = 20.0
    batch: int = 32
    overlaps: bool = True
    has_target: bool = False
    warm_seconds: float = 2 * CLIP_SECONDS  # until each partition's first clip was tried alone


class _Encoder:
    """A contender as the worker wants it; it notes the sizes of batches."""

    def __init__(self, run: Run, space: EmbeddingSpace, options: LatencyOptions) -> None:
        self.space = space
        self.best_batch = options.batch
        self.overlaps = options.overlaps
        self.batches: list[int] = []
        self._run = run

    def encode(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [B, T, H, W, 3] -> [B, D]."""
        self.batches.append(len(clips))
        return self._run(clips)


def bench_latency(
    run: Run, space: EmbeddingSpace, clip: NDArray[np.uint8], options: LatencyOptions
) -> Iterator[Figure]:
    """From when a clip [T, H, W, 3] was published to when its embedding was, through the worker.

    Cameras drop their oldest clips where the encoder is too slow, as live ones do.

    Raises BenchError if the contender fails.
    """
    encoder = _Encoder(run, space, options)
    with closing(MemoryBus()) as bus:
        reader = bus.subscribe(EMBEDDINGS.name, "bench")
        working = _Working(EncoderWorker(bus, encoder, EncoderConfig()))
        load = _Load(bus, clip, options)
        feeder = threading.Thread(target=load.run)
        feeder.start()
        waits: list[float] = []
        ends = time.monotonic() + options.warm_seconds + options.seconds + _DRAIN_SECONDS
        while time.monotonic() < ends and not reader.finished and working.goes_on:
            for record in reader.poll(_POLL_SECONDS):
                made = unpack_embedding(record.value or b"")
                if made.index * CLIP_SECONDS >= options.warm_seconds:
                    waits.append(record.published - load.sent[made.camera_id, made.index])
            reader.commit()
    feeder.join()
    working.end()
    yield from _figures(waits, encoder.batches, load.dropped, options)


def _figures(
    waits: list[float], batches: list[int], dropped: int, options: LatencyOptions
) -> Iterator[Figure]:
    what = f"{options.cameras} cameras"
    if waits:
        for share in (50, 90, 99):
            seconds = float(np.percentile(waits, share))
            target = TARGET_SECONDS if share == 90 and options.has_target else None
            name = f"clip ready -> embedding, {what}, p{share}"
            yield Figure(name, seconds * 1000, "ms", "at most", target and target * 1000)
    yield Figure(f"clips encoded, {what}", len(waits), "")
    yield Figure(f"clips dropped, {what}", dropped, "")
    yield Figure(f"clips in a batch, {what}, mean", float(np.mean(batches)) if batches else 0.0, "")


class _Working:
    """The worker in its thread."""

    def __init__(self, worker: EncoderWorker) -> None:
        self._worker = worker
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def goes_on(self) -> bool:
        """Whether it has not failed."""
        return self._error is None

    def end(self) -> None:
        """Wait for it; raises BenchError for what ended it."""
        self._thread.join()
        if self._error is not None:
            raise BenchError(f"the encoder failed under load: {self._error}") from self._error

    def _run(self) -> None:
        try:
            self._worker.run(threading.Event())
        except Exception as error:  # noqa: BLE001 - raised again by end, in the caller's thread
            self._error = error


class _Load:
    """Cameras that begin apart, as the streamer's do."""

    def __init__(self, bus: MemoryBus, clip: NDArray[np.uint8], options: LatencyOptions) -> None:
        self.sent: dict[tuple[str, int], float] = {}
        self.dropped = 0
        self._bus = bus
        self._clip = clip
        self._options = options

    def run(self) -> None:
        """Send until it is time to end, then finish the clips."""
        began = time.monotonic()
        cameras = range(self._options.cameras)
        due = [(began + begin_after(number, CLIP_SECONDS), number, 0) for number in cameras]
        heapq.heapify(due)
        ends = began + self._options.warm_seconds + self._options.seconds
        try:
            while due[0][0] < ends:
                at, number, index = heapq.heapreplace(
                    due, (due[0][0] + CLIP_SECONDS, due[0][1], due[0][2] + 1)
                )
                time.sleep(max(0.0, at - time.monotonic()))
                self._send(f"camera-{number}", index)
            self._bus.finish(CLIPS.name)
        except BusClosedError:
            return

    def _send(self, camera: str, index: int) -> None:
        start = index * CLIP_SECONDS
        end = start + CLIP_SECONDS
        clip = Clip(camera, 1, index, start, end, end, self._clip, "arrival")
        message = Message(CLIPS.name, camera, pack_clip(clip))
        self.sent[camera, index] = time.time()
        self.dropped += self._bus.publish(message, "drop_oldest")
