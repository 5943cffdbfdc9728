"""Whether every second of a camera was seen in a clip or told as blind, by grounding's ledger."""

from collections import defaultdict

import numpy as np

from encoder.embedding import ClipEmbedding
from grounding.blind_ledger import INSTANT, BlindLedger
from streamer.clip import Clip

_VECTOR = np.ones(1, np.float32)
Span = tuple[float, float]  # UTC seconds


class WatchedTime:
    """Takes the clips of all cameras as grounding would."""

    def __init__(self) -> None:
        self._ledger = BlindLedger(grace_seconds=0.0)
        self._seen: dict[str, list[Span]] = defaultdict(list)
        self._blind: dict[str, list[Span]] = defaultdict(list)
        self._first: dict[str, float] = {}
        self._newest: dict[str, Clip] = {}

    def take(self, clip: Clip) -> None:
        """The next clip of its camera."""
        taken = self._ledger.take(
            ClipEmbedding(
                clip.camera_id,
                clip.session,
                clip.index,
                clip.start,
                clip.end,
                clip.seen_until,
                "bench",
                _VECTOR,
                clip.clock_source,
                clip.skipped,
                clip.watched_since,
            )
        )
        self._first.setdefault(clip.camera_id, taken.start)
        self._seen[clip.camera_id].append((taken.start, taken.end))
        before = self._newest.get(clip.camera_id)
        if before is not None and before.session == clip.session and before.index < clip.index:
            # As the ledger has it: a clip that ended short counts whole if its session goes on
            self._seen[clip.camera_id].append((before.seen_until, before.end))
        self._newest[clip.camera_id] = clip
        for period in self._ledger.take_periods():
            self._blind[period.camera_id].append((period.start, period.end))

    @property
    def seen_seconds(self) -> float:
        """Of all cameras together."""
        return sum(end - start for spans in self._seen.values() for start, end in spans)

    @property
    def blind_seconds(self) -> float:
        """Of all cameras together."""
        return sum(end - start for spans in self._blind.values() for start, end in spans)

    @property
    def untold_seconds(self) -> float:
        """Between a camera's first clip and its last, neither seen nor told as blind."""
        return sum(self._untold(camera_id) for camera_id in self._seen)

    def _untold(self, camera_id: str) -> float:
        until, untold = self._first[camera_id], 0.0
        for start, end in sorted(self._seen[camera_id] + self._blind[camera_id]):
            if start - until > INSTANT:
                untold += start - until
            until = max(until, end)
        return untold
