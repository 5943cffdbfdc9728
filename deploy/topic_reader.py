"""From a topic to the store: what was published is stored before it counts as read."""

import logging
import threading
from collections.abc import Callable, Sequence

from deploy.errors import StoreError
from deploy.metrics import STORE_FAULTS
from encoder.errors import EncoderError
from streamer.bus import DEAD_LETTERS, Bus, Message, Record, Topic
from streamer.dead_letter import dead_letter
from streamer.errors import BusClosedError, CommitLostError, RecordError
from streamer.metrics import DEAD_LETTER_COUNT

GROUP = "watchword-store"
POLL_SECONDS = 0.5
FIRST_POLL_SECONDS = 0.05  # until the reader is ready: somebody waits for that
RETRY_SECONDS = 1.0

_FAULTS = (RecordError, EncoderError)  # of a record that is none of ours

_log = logging.getLogger(__name__)


class TopicReader:
    """Hands the records of a topic to `take`, which stores them, until the topic is finished.

    Of several processes each stores the partitions that are its own, or with `is_shared` false each
    takes in the whole topic, at every start. A position is committed once what lies before it is
    stored: after a crash the last records come again, and `take` must not mind. While the store
    cannot take them (a full disk), they stay on the topic and are tried again: what is full waits,
    and live cameras drop their oldest clips and count them. A record that `take` cannot read is
    dead-lettered.
    """

    def __init__(
        self,
        bus: Bus,
        topic: Topic,
        take: Callable[[Sequence[Record]], None],
        is_shared: bool = True,
    ) -> None:
        self._bus = bus
        self._topic = topic.name
        self._take = take
        name = topic.name.removeprefix("watchword.")
        self._group = f"{GROUP}-{name}" if is_shared else None
        # Subscribed before anything is published: nothing is missed
        self._subscription = bus.subscribe(topic.name, self._group)
        self._has_past = False  # what lay on the topic at the beginning is stored

    @property
    def ready(self) -> bool:
        """Whether it is agreed which records are this reader's, or the whole topic is stored."""
        return self._has_past if self._group is None else self._subscription.settled

    def run(self, stop: threading.Event) -> None:
        """Blocks until the topic is finished and stored, or `stop` is set, or the bus is closed."""
        try:
            while not (stop.is_set() or self._subscription.finished):
                self._read(POLL_SECONDS if self.ready else FIRST_POLL_SECONDS, stop)
        except BusClosedError:
            return

    def drain(self) -> None:
        """Store what has come already, once `run` has ended; what the store refuses is told."""
        stop = threading.Event()
        stop.set()
        try:
            while self._read(0.0, stop):
                pass
        except BusClosedError:
            return

    def close(self) -> None:
        """Leave the topic to the other processes."""
        self._subscription.close()

    def _read(self, timeout: float, stop: threading.Event) -> bool:
        """Whether there was something, and it is stored."""
        records = self._subscription.poll(timeout)
        if records and not self._take_and_commit(records, stop):
            return False
        # Asked once they are stored: a subscription has caught up as soon as they are polled
        self._has_past = self._has_past or self._subscription.caught_up
        return bool(records)

    def _take_and_commit(self, records: Sequence[Record], stop: threading.Event) -> bool:
        letters = self._stored(records, stop)
        if letters is None:
            return False
        try:
            self._subscription.commit(letters)
        except CommitLostError as error:
            _log.warning("what was stored of %s may come again: %s", self._topic, error)
            self._subscription.close()
            self._subscription = self._bus.subscribe(self._topic, self._group)
        return True

    def _stored(self, records: Sequence[Record], stop: threading.Event) -> list[Message] | None:
        """Dead letters of what could not be read; None when the stop came before the store."""
        while True:
            try:
                return self._take_each(records)
            except StoreError as error:
                STORE_FAULTS.labels(self._topic).inc()
                _log.error("%s Again in %g s.", error, RETRY_SECONDS)
                if stop.wait(RETRY_SECONDS):
                    _log.error("%d records of %s were not stored", len(records), self._topic)
                    return None

    def _take_each(self, records: Sequence[Record]) -> list[Message]:
        """All at once if they can be, so that they share a transaction; else one by one."""
        try:
            self._take(records)
        except _FAULTS as error:
            if len(records) > 1:
                return [letter for record in records for letter in self._take_each([record])]
            return self._put_aside(records[0], error)
        return []

    def _put_aside(self, record: Record, error: Exception) -> list[Message]:
        DEAD_LETTER_COUNT.labels("api").inc()
        _log.error("a record of %s cannot be stored: %s", self._topic, error)
        # One of a dead letter would come back here
        return [] if self._topic == DEAD_LETTERS.name else [dead_letter(record, 1, error)]
