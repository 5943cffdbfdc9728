"""How many clips are worked off together: their alerts are published together, in one commit."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 1.0  # of work in one commit: so long an alert waits for others at most
MOST = 64  # records; more would gain nothing on a bus
USUAL = 16  # before anything was measured


class Portion:
    """As many records as take about a second, by how long the last ones took.

    Where a clip costs little, a commit of many saves the bus its work; where the detector has much
    to do, alerts and partitions do not wait for clips that have nothing to do with them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.size = USUAL

    @contextmanager
    def measured(self, records: int) -> Iterator[None]:
        """Around the work on so many records, at least one, up to their commit."""
        began = self._clock()
        yield
        seconds = self._clock() - began
        most = records * SECONDS / MOST  # seconds that so many may take where MOST fit
        self.size = MOST if seconds <= most else max(1, int(records * SECONDS / seconds))
