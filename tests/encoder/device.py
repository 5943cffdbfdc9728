"""A device that holds batches until a test lets them through, and a worker on it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event

import numpy as np

from encoder.config import EncoderConfig
from encoder.record import unpack_embedding
from encoder.worker import EncoderWorker
from streamer.bus import CLIPS, EMBEDDINGS, Message, Record, partition_of
from streamer.clip import Clip
from streamer.memory_bus import MemoryBus
from streamer.record import pack_clip
from tests.encoder.models import SPACE, random_clips

PATIENCE_SECONDS = 20.0  # only ever waited out by a test that fails
FIRST, SECOND = (
    next(c for c in ("yard", "gate", "hall", "roof", "dock") if partition_of(c, 2) == p)
    for p in (0, 1)
)


class Gate:
    """An encoder on a device: each batch waits there until it is let through."""

    space = SPACE
    best_batch = 2
    overlaps = True

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.error: BaseException | None = None
        self._changed = threading.Condition()
        self._let = 0
        self._open = False

    def encode(self, clips: np.ndarray) -> np.ndarray:
        with self._changed:
            self.batches.append([int(clip[0, 0, 0, 0]) for clip in clips])
            number = len(self.batches)
            self._changed.notify_all()
            let = self._changed.wait_for(
                lambda: self._open or self._let >= number, PATIENCE_SECONDS
            )
            assert let
            if self.error is not None:
                raise self.error
        vectors = np.zeros((len(clips), SPACE.dims), np.float32)
        vectors[:, 0] = 1
        return vectors

    def let(self, batches: int | None = None) -> None:
        """Let so many batches through, counted from the first; None: all."""
        with self._changed:
            self._let, self._open = batches or 0, batches is None
            self._changed.notify_all()

    def await_batches(self, number: int) -> None:
        """Returns once so many have begun."""
        with self._changed:
            self._await(lambda: len(self.batches) >= number)

    def _await(self, is_so: Callable[[], bool]) -> None:
        assert self._changed.wait_for(is_so, PATIENCE_SECONDS)


class Watched(MemoryBus):
    """Says what was polled and committed, when it was."""

    def __init__(self) -> None:
        super().__init__(partitions=2)
        self.polled: list[int] = []
        self.committed: list[dict[int, int]] = []
        self.on_commit: Callable[[], None] = lambda: None
        self.ended: list[str] = []
        self._seen = threading.Condition()

    def finish(self, topic: str) -> None:
        self.ended.append(topic)
        super().finish(topic)

    def subscribe(self, topic, group=None, rebalance=None, partitions=None):
        subscription = super().subscribe(topic, group, rebalance, partitions)
        if topic == CLIPS.name and rebalance is not None:
            self._watch(subscription)
        return subscription

    def _watch(self, subscription) -> None:
        poll, commit = subscription.poll, subscription.commit

        def watched_poll(timeout: float, max_records: int = 256) -> Sequence[Record]:
            records = poll(timeout, max_records)
            with self._seen:
                self.polled += [record.offset for record in records]
                self._seen.notify_all()
            return records

        def watched_commit(outputs: Iterable[Message] = (), positions=None) -> None:
            outputs = list(outputs)
            if outputs:
                self.on_commit()
            commit(outputs, positions)
            with self._seen:
                self.committed.append({p: at.offset for p, at in (positions or {}).items()})
                self._seen.notify_all()

        subscription.poll, subscription.commit = watched_poll, watched_commit

    def await_polled(self, number: int) -> None:
        with self._seen:
            assert self._seen.wait_for(lambda: len(self.polled) >= number, PATIENCE_SECONDS)


def publish(bus: MemoryBus, camera: str, *indices: int) -> None:
    for index in indices:
        frames = random_clips(1, index)[0]
        frames[0, 0, 0, 0] = index
        at = 100.0 + 2 * index
        clip = Clip(camera, 100_000, index, at, at + 2, at + 2, frames, "arrival")
        bus.publish(Message(CLIPS.name, camera, pack_clip(clip)))


def embedded(bus: MemoryBus) -> Counter[tuple[str, int]]:
    reader = bus.subscribe(EMBEDDINGS.name)
    made = [unpack_embedding(record.value or b"") for record in reader.poll(0.0)]
    reader.close()
    return Counter((each.camera_id, each.index) for each in made)


class Running:
    """A worker in a thread, and what ended it."""

    def __init__(self, bus: MemoryBus, gate: Gate) -> None:
        self.stop = Event()
        self.error: BaseException | None = None
        # A batch sets off only when it is full
        config = EncoderConfig(wait_seconds=1000.0, poll_seconds=0.01)
        self.worker = EncoderWorker(bus, gate, config)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.worker.run(self.stop)
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def join(self) -> None:
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    @contextmanager
    def past_trial(self, bus: Watched, gate: Gate) -> Iterator["Running"]:
        """Running, its partitions' first clips (index 0) behind it and counted as polled."""
        cameras = (FIRST, SECOND)
        for camera in cameras:
            publish(bus, camera, 0)
        gate.let(len(cameras))
        self._thread.start()
        gate.await_batches(len(cameras))
        bus.await_polled(len(cameras))
        try:
            yield self
        finally:
            gate.let()
            self.stop.set()
            self.join()
