"""Clips of all cameras that wait to be encoded together."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.config import EncoderConfig
from streamer.bus import Partitions, Record
from streamer.clip import Clip
from streamer.errors import RecordError
from streamer.record import unpack_clip, unpack_head


@dataclass(frozen=True, slots=True, eq=False)
class ClipRead:
    """A record and the clip in it; none if it was not looked into, or holds none."""

    record: Record
    clip: Clip | None = None
    is_stale: bool = False  # of a live camera, and too late to be worth encoding


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """What is to be encoded together, in the order it was polled."""

    reads: Sequence[ClipRead]
    frames: NDArray[np.uint8] | None  # [B, T, H, W, 3] of all of them; None: not of all alike
    unpack_seconds: float


class Gathering:
    """Holds at most a batch; each clip is unpacked, and put into its place, when it comes.

    The clip that was produced first says until when others may join it. Faults of a record show
    when it is encoded. Of partitions that are to be tried first (`add`) nothing is looked into: a
    clip may end the process already when it is unpacked.
    """

    def __init__(
        self,
        batch: int,
        config: EncoderConfig,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._batch = batch
        self._config = config
        self._clock = clock
        self._now = now
        self._reads: list[ClipRead] = []
        self._deadline = 0.0  # on `clock`; of the clips that are here
        self._frames: NDArray[np.uint8] | None = None  # [batch, T, H, W, 3]
        self._is_whole = True  # whether all that is here is in `_frames`
        self._unpack_seconds = 0.0

    def __len__(self) -> int:
        return len(self._reads)

    @property
    def room(self) -> int:
        """How many more fit."""
        return self._batch - len(self._reads)

    @property
    def left_seconds(self) -> float:
        """How long what is here may wait for more; 0 once it may not."""
        return max(0.0, self._deadline - self._clock()) if self.room else 0.0

    def add(self, records: Sequence[Record], on_trial: Callable[[int], bool]) -> None:
        """Take up what was polled, `room` records at most; `on_trial` is asked by partition."""
        for record in records:
            self._hurry(record)
            if self._is_stale(record):
                read = ClipRead(record, is_stale=True)
            elif on_trial(record.partition):
                read = ClipRead(record)
            else:
                read = self._unpack(record)
            self._is_whole = self._is_whole and self._place(read.clip)
            self._reads.append(read)

    def drop(self, partitions: Partitions) -> None:
        """Forget what is here of partitions that go to somebody else."""
        kept = [read for read in self._reads if read.record.partition not in partitions]
        if len(kept) < len(self._reads):
            self._reads, self._is_whole = kept, not kept

    def take(self) -> Gathered:
        """All that is here; then nothing is."""
        frames = self._frames if self._is_whole else None
        size = len(self._reads)
        gathered = Gathered(
            self._reads, None if frames is None else frames[:size], self._unpack_seconds
        )
        self.clear()
        return gathered

    def clear(self) -> None:
        """Forget all that is here."""
        # Never the array before: it may be on its way to the device
        self._reads, self._frames, self._is_whole = [], None, True
        self._unpack_seconds = 0.0

    def _hurry(self, record: Record) -> None:
        wait = self._config.wait_seconds
        waited = min(max(0.0, self._now() - record.published), wait)
        deadline = self._clock() + wait - waited
        self._deadline = min(self._deadline, deadline) if self._reads else deadline

    def _is_stale(self, record: Record) -> bool:
        limit = self._config.stale_seconds
        if not limit or record.value is None or self._now() - record.published <= limit:
            return False
        try:
            return unpack_head(record.value).clock_source != "file"
        except RecordError:
            return False  # it is put aside like others that cannot be read

    def _unpack(self, record: Record) -> ClipRead:
        began = time.perf_counter()
        try:
            return ClipRead(record, read_clip(record))
        except RecordError:
            return ClipRead(record)
        finally:
            self._unpack_seconds += time.perf_counter() - began

    def _place(self, clip: Clip | None) -> bool:
        """Put its pictures where those of its batch are; false if they do not belong there."""
        if clip is None:
            return False
        began = time.perf_counter()
        if self._frames is None or not self._reads:
            self._frames = np.empty((self._batch, *clip.frames.shape), np.uint8)
        if self._frames.shape[1:] != clip.frames.shape:
            return False
        self._frames[len(self._reads)] = clip.frames  # [T, H, W, 3]
        self._unpack_seconds += time.perf_counter() - began
        return True


def read_clip(record: Record) -> Clip:
    """The clip of a record; raises RecordError if it holds none."""
    if record.value is None:
        raise RecordError("a clip record without a value")
    return unpack_clip(record.value)


def stack_frames(clips: Sequence[Clip]) -> NDArray[np.uint8]:
    """The pictures uint8 [B, T, H, W, 3]; raises RecordError if they are not of one shape."""
    if len({clip.frames.shape for clip in clips}) > 1:
        raise RecordError("clips of several shapes came together: one is not of this bundle")
    return np.stack([clip.frames for clip in clips])
