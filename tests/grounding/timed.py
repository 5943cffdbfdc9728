"""A bus on which clips appear when their time has come, by a clock that moves only in here.

Time passes while nothing is there to be read, and while somebody adds to `Time.now`.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from encoder.embedding import ClipEmbedding
from streamer.bus import EMBEDDINGS, Partitions, Rebalance, Record, Subscription
from streamer.memory_bus import MemoryBus
from tests.grounding.mortal import ROOMY, message
from tests.grounding.worlds import T0


@dataclass
class Time:
    """What time it is."""

    now: float = T0


class TimedBus(MemoryBus):
    """Shows each clip once it has ended, finishes the embeddings after the last.

    `reads` says of each poll when it was and how old the oldest clip was that it brought.
    """

    def __init__(self, clips: Iterable[ClipEmbedding], time: Time) -> None:
        super().__init__(ROOMY, partitions=3, clock=lambda: time.now)
        self.reads: list[tuple[float, float]] = []
        self._to_come = deque(sorted(clips, key=lambda clip: clip.end))
        self._time = time

    def subscribe(
        self,
        topic: str,
        group: str | None = None,
        rebalance: Rebalance | None = None,
        partitions: Partitions | None = None,
    ) -> Subscription:
        inner = super().subscribe(topic, group, rebalance, partitions)
        if topic != EMBEDDINGS.name:
            return inner
        read = inner.poll
        inner.poll = lambda timeout, most=256: self._poll(read, timeout, most)  # type: ignore[method-assign]
        return inner

    def _poll(self, read, timeout: float, most: int) -> Sequence[Record]:
        self._show()
        records = read(0.0, most)
        if not records:
            self._time.now += timeout
            self._show()
            if not self._to_come:
                self.finish(EMBEDDINGS.name)
            records = read(0.0, most)
        now = self._time.now
        self.reads.append((now, now - min((one.published for one in records), default=now)))
        return records

    def _show(self) -> None:
        """Each is published at its own time, however late it is by now."""
        now = self._time.now
        while self._to_come and self._to_come[0].end <= now:
            clip = self._to_come.popleft()
            self._time.now = clip.end
            self.publish(message(clip))
        self._time.now = now
