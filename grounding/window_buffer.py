"""Windows out of embeddings: the newest 75 clips of every camera's session."""

from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from encoder.embedding import ClipEmbedding
from encoder.errors import ForeignSpaceError
from encoder.space import EmbeddingSpace
from grounding.window import WINDOW_CLIPS, Window

Rows = TypeVar("Rows", NDArray[np.float32], NDArray[np.bool_])


@dataclass(frozen=True, slots=True, eq=False)
class Push:
    """What a clip made due: its own window, and windows whose newest clip is missing."""

    window: Window | None  # None: the clip was fenced or repeated
    missing: int = 0


class WindowBuffer:
    """The newest clips of each camera's session, as windows.

    A window is a view, never a copy: rows are written once and their memory is left behind, not
    overwritten, so a window stays true for as long as somebody holds it. What is not used is
    counted in `ignored`: `fenced` (the camera has a later session) and `repeated` (the window of
    that clip was due before).
    """

    def __init__(self, space: EmbeddingSpace, gate_dims: int, clips: int = WINDOW_CLIPS) -> None:
        self._space_id = space.id
        self._clip_seconds = space.clip_seconds
        self._dims = space.dims
        self._gate_dims = gate_dims
        self._clips = clips
        self._sessions: dict[str, _SessionRows] = {}
        self.ignored: Counter[str] = Counter()

    @property
    def space_id(self) -> str:
        """The embedding space whose vectors fit."""
        return self._space_id

    def check(self, embedding: ClipEmbedding) -> None:
        """Raise ForeignSpaceError unless the vector is of this buffer's space."""
        if embedding.space_id != self._space_id or embedding.vector.shape != (self._dims,):
            raise ForeignSpaceError(
                f"camera {embedding.camera_id} sent a vector {embedding.vector.shape} of the "
                f"embedding space {embedding.space_id}, the bundle works in {self._space_id} with "
                f"{self._dims} dimensions: run encoder and grounding with the same bundle"
            )

    def push(self, embedding: ClipEmbedding, gate_vector: NDArray[np.float32]) -> Push:
        """Take in a clip and its gate vector [G]; return what fell due.

        Clips that are passed over become masked rows. Raises ForeignSpaceError.
        """
        self.check(embedding)
        rows = self._sessions.get(embedding.camera_id)
        if rows is not None and embedding.session < rows.session:
            self.ignored["fenced"] += 1
            return Push(None)
        if rows is None or embedding.session > rows.session:
            rows = _SessionRows(embedding.session, self._dims, self._gate_dims, self._clips)
            self._sessions[embedding.camera_id] = rows
        if embedding.index < rows.next_index:
            self.ignored["repeated"] += 1
            return Push(None)
        missing = rows.append(embedding, gate_vector)
        return Push(rows.window(embedding, self._clip_seconds), missing)

    @property
    def clips(self) -> int:
        """How many clips a window holds at most."""
        return self._clips

    def mark(self, camera_id: str) -> "Mark":
        """The camera's rows as they are now, for `undo`."""
        rows = self._sessions.get(camera_id)
        return Mark(camera_id, rows, None if rows is None else rows.block)

    def undo(self, mark: "Mark") -> None:
        """Take back what was pushed of the camera since the mark; windows made of it are void."""
        if mark.rows is None or mark.block is None:
            self.forget(mark.camera_id)
            return
        mark.rows.restore(mark.block)
        self._sessions[mark.camera_id] = mark.rows

    def forget(self, camera_id: str) -> None:
        """Free the memory of a camera that is no longer watched."""
        self._sessions.pop(camera_id, None)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Rows as far as they were filled; what lies behind is empty."""

    first_index: int
    filled: int
    vectors: NDArray[np.float32]
    gates: NDArray[np.float32]
    mask: NDArray[np.bool_]


class _SessionRows:
    """Rows of one session in blocks of twice the window; a full block hands its tail to the next.

    Copying 74 rows once in 76 clips is cheaper than a copy a window, and unlike a ring it never
    writes into rows that an earlier window still shows.
    """

    def __init__(self, session: int, dims: int, gate_dims: int, clips: int) -> None:
        self.session = session
        self._shape = (dims, gate_dims)
        self._clips = clips
        self._open_block(first_index=0)

    @property
    def next_index(self) -> int:
        return self._first_index + self._filled

    @property
    def block(self) -> _Block:
        return _Block(self._first_index, self._filled, self._vectors, self._gates, self._mask)

    def restore(self, block: _Block) -> None:
        self._first_index, self._filled = block.first_index, block.filled
        self._vectors, self._gates, self._mask = block.vectors, block.gates, block.mask
        for rows in (self._vectors, self._gates, self._mask):
            rows[self._filled :] = 0

    def append(self, embedding: ClipEmbedding, gate_vector: NDArray[np.float32]) -> int:
        """Write the clip's row; return how many clips were passed over before it."""
        missing = embedding.index - self.next_index
        if missing >= self._clips:  # nothing of the past is left in the window
            self._open_block(first_index=embedding.index + 1 - self._clips)
            self._filled = self._clips - 1
        else:
            if self._filled + missing + 1 > len(self._mask):
                self._carry_over()
            self._filled += missing
        self._vectors[self._filled] = embedding.vector
        self._gates[self._filled] = gate_vector
        self._mask[self._filled] = True
        self._filled += 1
        return missing

    def window(self, newest: ClipEmbedding, clip_seconds: float) -> Window:
        length = min(newest.index + 1, self._clips)
        rows = slice(self._filled - length, self._filled)
        return Window(
            camera_id=newest.camera_id,
            session=self.session,
            index=newest.index,
            first_index=newest.index + 1 - length,
            start=newest.start - (length - 1) * clip_seconds,
            seen_until=newest.seen_until,
            clip_seconds=clip_seconds,
            vectors=_frozen(self._vectors[rows]),
            mask=_frozen(self._mask[rows]),
            gate_vectors=_frozen(self._gates[rows]),
            is_film=newest.clock_source == "file",
        )

    def _open_block(self, first_index: int) -> None:
        dims, gate_dims = self._shape
        self._first_index = first_index
        self._filled = 0
        self._vectors = np.zeros((2 * self._clips, dims), np.float32)  # [2C, D]
        self._gates = np.zeros((2 * self._clips, gate_dims), np.float32)  # [2C, G]
        self._mask = np.zeros(2 * self._clips, np.bool_)  # [2C]

    def _carry_over(self) -> None:
        keep = self._clips - 1
        tail = slice(self._filled - keep, self._filled)
        vectors, gates, mask = self._vectors[tail], self._gates[tail], self._mask[tail]
        self._open_block(first_index=self.next_index - keep)
        self._vectors[:keep], self._gates[:keep], self._mask[:keep] = vectors, gates, mask
        self._filled = keep


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """What there was of a camera at some time."""

    camera_id: str
    rows: _SessionRows | None
    block: _Block | None


def _frozen(view: Rows) -> Rows:
    view.flags.writeable = False
    return view
