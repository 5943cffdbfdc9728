"""From the store's outbox to the topics: what was stored is published, also after a crash."""

import logging
import threading

from deploy.errors import StoreError
from deploy.metrics import STORE_FAULTS
from deploy.store.outbox import Outbox
from streamer.bus import Bus
from streamer.errors import BusClosedError

WAIT_SECONDS = 0.5
BATCH = 256

_log = logging.getLogger(__name__)


class OutboxPump:
    """Publishes outbox rows in order, at least once each: readers ignore lower revisions."""

    def __init__(self, outbox: Outbox, bus: Bus) -> None:
        self._outbox = outbox
        self._bus = bus

    def seed(self) -> None:
        """Publish every entity as it is now: a bus in memory begins empty."""
        for message in self._outbox.seed():
            self._bus.publish(message)

    def run(self, stop: threading.Event) -> None:
        """Blocks until `stop` is set or the bus is closed."""
        try:
            while not stop.is_set():
                if self._outbox.wait(WAIT_SECONDS):
                    self._publish()
        except BusClosedError:
            return

    def _publish(self) -> None:
        try:
            while rows := self._outbox.pending(BATCH):
                for row in rows:
                    self._bus.publish(row.message)
                self._outbox.published([row.outbox_id for row in rows])
        except StoreError as error:  # tried again with the next wait
            STORE_FAULTS.labels("outbox").inc()
            _log.error("%s", error)
