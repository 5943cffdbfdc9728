"""Clips in memory that two processes share: one writes them there, the other reads them there.

A ring is one memory file without a name. It belongs to whoever has it mapped and is gone with the
last of them, however they end: nothing is left in /dev/shm by a `kill -9`.

    0      the pulse: how the reading of the camera goes on (`streamer.pulse`)
    512    a byte a slot: free (0), or being written and read (1)
    1024   8 bytes a slot: its generation, one more each time it is written
    4096   the slots, each the pixels [T, H, W, 3] of a clip

Only the writer takes slots, and always the first that is free, so that memory is touched only as
far as clips wait. Only the reader frees them: when the last view of a clip is gone.
"""

import mmap
import os
import tempfile
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from streamer.clip import ClipFormat
from streamer.errors import RecordError

MOST_SLOTS = 64
_STATES, _GENERATIONS, _HEADER = 512, 1024, 4096


class ClipRing:
    """The memory of one camera; made by the reader, opened by the writer from its descriptor."""

    def __init__(self, descriptor: int, clip_format: ClipFormat, slots: int) -> None:
        """Maps the file; the descriptor stays the caller's."""
        self.slots = slots
        self.shape = (clip_format.frames, clip_format.height, clip_format.width, 3)
        self._slot_bytes = _rounded(int(np.prod(self.shape)))
        self.memory = mmap.mmap(descriptor, _HEADER + slots * self._slot_bytes)
        self._states = np.frombuffer(self.memory, np.uint8, slots, _STATES)  # [slots]
        self._generations = np.frombuffer(self.memory, np.uint64, slots, _GENERATIONS)  # [slots]
        self._leased: set[int] = set()  # the reader's

    @staticmethod
    def allocate(clip_format: ClipFormat, slots: int) -> int:
        """The descriptor of a new file for so many clips; whoever asks closes it.

        Raises OSError where the system gives no memory.
        """
        if not 0 < slots <= MOST_SLOTS:
            raise ValueError(f"A ring has 1 to {MOST_SLOTS} slots, not {slots}.")
        pixels = clip_format.frames * clip_format.height * clip_format.width * 3
        descriptor = _nameless_file()
        os.ftruncate(descriptor, _HEADER + slots * _rounded(pixels))
        return descriptor

    @property
    def taken(self) -> int:
        """How many slots are not free."""
        return int(np.count_nonzero(self._states))

    def claim(self) -> tuple[int, NDArray[np.uint8]] | None:
        """The writer's: a free slot and its pixels [T, H, W, 3]; None while all are taken."""
        free = np.flatnonzero(self._states == 0)
        if not free.size:
            return None
        slot = int(free[0])
        self._generations[slot] += np.uint64(1)
        self._states[slot] = 1
        return slot, self._pixels(slot)

    def generation(self, slot: int) -> int:
        """How often the slot has been written."""
        return int(self._generations[slot])

    def lease(self, slot: int, generation: int) -> "Lease":
        """The reader's: what keeps the slot until it is gone.

        Raises:
            RecordError: there is no such slot, or it was written anew since.
        """
        if not 0 <= slot < self.slots or slot in self._leased:
            raise RecordError(f"A clip is said to lie in slot {slot}, which is not free for it.")
        if self.generation(slot) != generation:
            raise RecordError(f"A clip in slot {slot} was overwritten before it was read.")
        self._leased.add(slot)
        return Lease(self, slot, generation)

    def release(self, slot: int) -> None:
        """The reader's: the slot may be written again."""
        self._leased.discard(slot)
        self._states[slot] = 0

    def reclaim(self) -> None:
        """The reader's, while there is no writer: frees what a writer took and never told."""
        for slot in _not_in(self._leased, self.slots):
            self._states[slot] = 0

    def _pixels(self, slot: int) -> NDArray[np.uint8]:
        start, size = _HEADER + slot * self._slot_bytes, int(np.prod(self.shape))
        return np.frombuffer(self.memory, np.uint8, size, start).reshape(self.shape)

    def view(self, slot: int) -> NDArray[np.uint8]:
        """The pixels [T, H, W, 3] of a slot; nothing keeps them from being written again."""
        return self._pixels(slot)


class Lease:
    """A clip in a ring that is kept there; numpy sees its pixels [T, H, W, 3], read-only.

    An array made of it (`np.asarray`) keeps it alive, and the slot with it.
    """

    def __init__(self, ring: ClipRing, slot: int, generation: int) -> None:
        self._ring = ring
        self._slot = slot
        self._generation = generation

    def check(self) -> None:
        """Raises RecordError if the slot was written anew, which nobody may do meanwhile."""
        if self._ring.generation(self._slot) != self._generation:
            raise RecordError(f"A clip in slot {self._slot} was overwritten while it was read.")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """T, H, W, 3."""
        return self._ring.shape

    @property
    def __array_interface__(self) -> dict[str, object]:
        interface = dict(self._ring.view(self._slot).__array_interface__)
        pointer, _ = interface["data"]
        return interface | {"data": (pointer, True)}

    def __del__(self) -> None:
        self._ring.release(self._slot)


class HeldClip(bytes):
    """A clip's record whose pixels lie in a ring, and stay there as long as it lives."""

    lease: Lease

    @classmethod
    def of(cls, record: bytes, lease: Lease) -> "HeldClip":
        """The record, holding the lease."""
        held = cls(record)
        held.lease = lease
        return held


def _rounded(count: int) -> int:
    return -(-count // mmap.PAGESIZE) * mmap.PAGESIZE


def _not_in(taken: Iterable[int], slots: int) -> list[int]:
    return sorted(set(range(slots)) - set(taken))


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("watchword-clips", os.MFD_CLOEXEC)
    descriptor, path = tempfile.mkstemp(prefix="watchword-clips-")
    os.unlink(path)
    return descriptor
