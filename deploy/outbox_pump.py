"""From the store's outbox to the topics: what was stored is published, also after a crash."""

import logging
import threading
from collections.abc import Sequence

from deploy.errors import StoreError
from deploy.metrics import STORE_FAULTS
from deploy.store.outbox import Outbox, OutboxRow
from streamer.bus import Bus, Message
from streamer.errors import BusClosedError, BusUnreachableError
from streamer.limited_log import LimitedLog

WAIT_SECONDS = 0.5
BATCH = 256

_log = logging.getLogger(__name__)


class OutboxPump:
    """Publishes what changed, at least once, in order: never an older revision after a newer.

    Of all processes that have the store open one at a time does it.
    """

    def __init__(self, outbox: Outbox, bus: Bus) -> None:
        self._outbox = outbox
        self._bus = bus
        self._log = LimitedLog(_log)

    def seed(self) -> None:
        """Publish every entity as it is now: a bus in memory begins empty."""
        with self._outbox.turn(wait=True):
            self._tell_all()

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
            with self._outbox.turn() as mine:
                if mine:
                    self._tell_changes()
        except (StoreError, BusUnreachableError) as error:  # tried again with the next wait
            STORE_FAULTS.labels("outbox").inc()
            self._log.error("Changes wait to be published: %s", error)

    def _tell_changes(self) -> None:
        if self._outbox.doubtful:
            self._tell_all()
        while rows := self._outbox.pending(BATCH):
            self._bus.publish_all(_newest(rows))
            self._outbox.published([row.outbox_id for row in rows])

    def _tell_all(self) -> None:
        seed = self._outbox.seed()
        self._bus.publish_all(seed.messages)
        self._outbox.seeded(seed)


def _newest(rows: Sequence[OutboxRow]) -> list[Message]:
    """The newest message of each entity, and all else.

    A batch whose publishing was not noted is published again: its older ones must not come then.
    """
    found: dict[tuple[str, str, int], Message] = {}
    for row in rows:
        place = row.message.topic, row.message.key, 0 if row.is_state else row.outbox_id
        found.pop(place, None)
        found[place] = row.message
    return list(found.values())
