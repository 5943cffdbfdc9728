"""From a topic to the store: what was published is stored before it counts as read."""

import logging
import threading
from collections.abc import Callable, Sequence

from deploy.errors import StoreError
from deploy.metrics import STORE_FAULTS
from streamer.bus import Bus, Record, Topic
from streamer.errors import BusClosedError

POLL_SECONDS = 0.5
RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class TopicReader:
    """Hands the records of a topic to `take` until the topic is finished.

    While the store cannot take them (a full disk), they stay on the topic and are tried again:
    what is full waits, and live cameras drop their oldest clips and count them.
    """

    def __init__(self, bus: Bus, topic: Topic, take: Callable[[Sequence[Record]], None]) -> None:
        self._topic = topic.name
        self._take = take
        # Subscribed before anything is published: nothing is missed
        self._subscription = bus.subscribe(topic.name)

    def run(self, stop: threading.Event) -> None:
        """Blocks until the topic is finished and stored, or `stop` is set, or the bus is closed."""
        try:
            while not (stop.is_set() or self._subscription.finished):
                records = self._subscription.poll(POLL_SECONDS)
                if records and not self._store(records, stop):
                    return
        except BusClosedError:
            return

    def _store(self, records: Sequence[Record], stop: threading.Event) -> bool:
        while True:
            try:
                self._take(records)
            except StoreError as error:
                STORE_FAULTS.labels(self._topic).inc()
                _log.error("%s Again in %g s.", error, RETRY_SECONDS)
                if stop.wait(RETRY_SECONDS):
                    _log.error("%d records of %s were not stored", len(records), self._topic)
                    return False
            else:
                return True
