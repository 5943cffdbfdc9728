"""A bus that hands out what it was told to, and an encoder whose vectors show their clip."""

from collections.abc import Iterable, Mapping, Sequence
from threading import Event

import numpy as np

from encoder.config import EncoderConfig
from encoder.errors import ClipError
from encoder.space import EmbeddingSpace
from encoder.worker import GROUP, EncoderWorker
from streamer.bus import CLIPS, Message, Position, Record
from streamer.clip import Clip
from streamer.errors import BusClosedError
from tests.encoder.models import SPACE, random_clips


def clip(camera: str, index: int, seed: int = 0) -> Clip:
    frames = random_clips(1, seed + index)[0]
    start = 100.0 + 2 * index
    return Clip(camera, 100_000, index, start, start + 2, start + 1.5, frames, "file")


def record(offset: int, value: bytes | None, camera: str = "door") -> Record:
    headers = (("trace", b"1"),)
    return Record(CLIPS.name, 3, offset, camera, value, headers, published=0.0)


class Scripted:
    """A bus and its one subscription: each poll takes the next burst, cut to what was asked for."""

    def __init__(self, bursts: Iterable[Sequence[Record]], closes: bool = False) -> None:
        self.waiting = [list(burst) for burst in bursts]
        self.closes = closes
        self.now = 0.0
        self.asked: list[tuple[float, int]] = []
        self.commits: list[list[Message]] = []
        self.ended: list[str] = []
        self.left = False

    def subscribe(
        self, topic: str, group: str | None = None, rebalance: object = None
    ) -> "Scripted":
        assert (topic, group) == (CLIPS.name, GROUP)
        return self

    settled = True

    def finish(self, topic: str) -> None:
        self.ended.append(topic)

    @property
    def finished(self) -> bool:
        return not self.waiting and not self.closes

    def poll(self, timeout: float, max_records: int = 256) -> Sequence[Record]:
        self.asked.append((timeout, max_records))
        if not self.waiting:
            raise BusClosedError("closed")
        burst = self.waiting.pop(0)
        if not burst:
            self.now += timeout
        if burst[max_records:]:
            self.waiting.insert(0, burst[max_records:])
        return burst[:max_records]

    def commit(
        self, outputs: Iterable[Message] = (), positions: Mapping[int, Position] | None = None
    ) -> None:
        self.commits.append(list(outputs))

    def close(self) -> None:
        self.left = True

    @property
    def published(self) -> list[Message]:
        return [message for commit in self.commits for message in commit]


class MeanColour:
    """An encoder whose vectors show which clip they came from; it refuses a clip of one colour."""

    space: EmbeddingSpace = SPACE
    best_batch = 4
    overlaps = False

    def __init__(self, failures: int = 0) -> None:
        self.batches: list[int] = []
        self.failures = failures

    def encode(self, clips: np.ndarray) -> np.ndarray:
        self.batches.append(len(clips))
        if self.failures:
            self.failures -= 1
            raise ClipError("not this time")
        if any(np.ptp(each) == 0 for each in clips):
            raise ClipError("one colour")
        vectors = clips.reshape(len(clips), -1)[:, :8].astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def run(bus: Scripted, encoder: MeanColour, **options: object) -> None:
    config = EncoderConfig(**options)
    EncoderWorker(bus, encoder, config, lambda: bus.now, lambda: bus.now).run(Event())
