"""A TensorRT engine as it runs: clips in, vectors out.

Two slots, each with pinned host memory, memory on the card and a captured CUDA graph for every
batch size: while the card computes in one slot, the next clips are copied into the other.
"""

import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.errors import EngineError
from encoder.tensorrt.batches import bucket_of, bucket_sizes, pieces
from encoder.tensorrt.cuda import Cuda
from encoder.tensorrt.plan import FLOAT_BYTES, Run, open_plan
from encoder.tensorrt.store import Engine

SLOTS = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one batch is while it is on its way."""

    clips: NDArray[np.uint8]  # pinned [max, T, H, W, 3]
    vectors: NDArray[np.float32]  # pinned [max, D]
    clips_on_card: int
    vectors_on_card: int
    copied: Any  # event: the clips are on the card
    done: Any  # event: the vectors are back
    runs: dict[int, Run]  # by batch size
    graphs: dict[int, Any]  # by batch size; empty where graphs could not be captured


class TensorRTRunner:
    """An engine that is loaded; `run` may be called by several threads at once.

    Raises:
        EngineError: TensorRT cannot load the engine, or it is not of the space's clips.
        CardMemoryError: the card has too little memory free; says how much is needed.
    """

    runtime = "tensorrt"

    def __init__(self, engine: Engine, device: int = 0, *, graphs: bool = True) -> None:
        self._cuda = Cuda(device)
        self._lock = Lock()  # of the two streams: what a batch enqueues stays together
        self._free: SimpleQueue[Slot] = SimpleQueue()
        self._slots: list[Slot] = []
        try:
            self._plan = open_plan(engine, self._cuda, SLOTS)
        except BaseException:
            self._cuda.close()
            raise
        self.best_batch = self._plan.max_batch
        self.clip_shape = self._plan.clip_shape
        self._sizes = bucket_sizes(self._plan.max_batch)
        try:
            self._copies, self._computes = self._cuda.stream(), self._cuda.stream()
            for _ in range(SLOTS):
                self._free.put(self._slot(graphs))
        except BaseException:
            self.close()
            raise

    @property
    def description(self) -> str:
        """For people: what runs where."""
        return f"TensorRT {self._plan.machine.tensorrt} on {self._plan.machine.gpu}"

    def run(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [B, T, H, W, 3], any B -> float32 [B, D].

        More clips than the engine takes are run in turns, fewer are filled up with black ones.
        Raises EngineError if the card fails.
        """
        self._cuda.use()
        vectors = np.empty((len(clips), self._plan.dims), np.float32)
        under_way: deque[tuple[Slot, slice]] = deque()
        try:
            for piece in pieces(len(clips), self._plan.max_batch):
                slot = self._take(under_way, vectors)
                under_way.append((slot, piece))
                self._launch(slot, clips[piece])
            while under_way:
                self._land(under_way, vectors)
        finally:
            if under_way:  # it failed, and no slot may be given away that is still written to
                self._abandon(under_way)
        return vectors

    def close(self) -> None:
        """Give the card's memory back. No `run` may be under way, and none may follow."""
        # What refers to something goes before it: graphs, contexts, the engine, memory
        self._cuda.drop_graphs()
        for slot in self._slots:
            slot.graphs.clear()
            slot.runs.clear()
        self._plan.release()
        self._cuda.close()

    def _take(self, under_way: deque[tuple[Slot, slice]], vectors: NDArray[np.float32]) -> Slot:
        """A free slot. One's own batches are landed first, so that nobody waits for himself."""
        while True:
            try:
                return self._free.get(block=not under_way)
            except Empty:
                self._land(under_way, vectors)

    def _launch(self, slot: Slot, clips: NDArray[np.uint8]) -> None:
        count = len(clips)
        size = bucket_of(count, self._sizes)
        slot.clips[:count] = clips
        slot.clips[count:size] = 0
        with self._lock:
            self._cuda.upload(slot.clips_on_card, slot.clips, self._clip_bytes(size), self._copies)
            self._cuda.record(slot.copied, self._copies)
            self._cuda.follow(self._computes, slot.copied)
            if graph := slot.graphs.get(size):
                self._cuda.launch(graph, self._computes)
            else:
                slot.runs[size].enqueue(self._computes)
            vector_bytes = count * self._plan.dims * FLOAT_BYTES
            self._cuda.download(slot.vectors, slot.vectors_on_card, vector_bytes, self._computes)
            self._cuda.record(slot.done, self._computes)

    def _land(self, under_way: deque[tuple[Slot, slice]], vectors: NDArray[np.float32]) -> None:
        slot, piece = under_way[0]
        self._cuda.wait(slot.done)
        vectors[piece] = slot.vectors[: piece.stop - piece.start]
        under_way.popleft()
        self._free.put(slot)

    def _abandon(self, under_way: deque[tuple[Slot, slice]]) -> None:
        with contextlib.suppress(EngineError):
            self._cuda.finish(self._copies)
            self._cuda.finish(self._computes)
        for slot, _ in under_way:
            self._free.put(slot)

    def _clip_bytes(self, count: int) -> int:
        return count * int(np.prod(self.clip_shape))

    def _slot(self, graphs: bool) -> Slot:
        most, dims = self._plan.max_batch, self._plan.dims
        clips_on_card = self._cuda.allocate(self._clip_bytes(most))
        vectors_on_card = self._cuda.allocate(most * dims * FLOAT_BYTES)
        slot = Slot(
            clips=self._cuda.pinned((most, *self.clip_shape), np.uint8),
            vectors=self._cuda.pinned((most, dims), np.float32),
            clips_on_card=clips_on_card,
            vectors_on_card=vectors_on_card,
            copied=self._cuda.event(),
            done=self._cuda.event(),
            runs={},
            graphs={},
        )
        self._slots.append(slot)
        slot.clips[:] = 0
        self._cuda.upload(clips_on_card, slot.clips, self._clip_bytes(most), self._computes)
        for size in self._sizes:
            run = self._plan.prepare(size, clips_on_card, vectors_on_card, self._computes)
            slot.runs[size] = run
            run.enqueue(self._computes)  # the first run of a shape sets things up: not in a graph
            self._cuda.finish(self._computes)
            if graphs:
                self._capture(slot, size, run)
        return slot

    def _capture(self, slot: Slot, size: int, run: Run) -> None:
        try:
            slot.graphs[size] = self._cuda.capture(
                lambda: run.enqueue(self._computes), self._computes
            )
        except EngineError as error:
            _log.warning("batches of %d clips run without a CUDA graph: %s", size, error)
