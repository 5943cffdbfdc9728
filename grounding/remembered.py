"""Cameras as they were committed last, off `watchword.alert-state.v1`."""

import logging
from collections.abc import Collection
from contextlib import closing
from threading import Event

import msgspec

from grounding.alert_state import unpack_alert_state
from grounding.grounder import Grounder
from grounding.metrics import UNREADABLE_STATES
from streamer.bus import ALERT_STATE, Bus, Partitions, Record
from streamer.dead_letter import dead_letter
from streamer.errors import NewerRecordError, RecordError
from streamer.metrics import DEAD_LETTER_COUNT

POLL_SECONDS = 0.2

_log = logging.getLogger(__name__)


class Remembered:
    """Puts cameras back into a grounder, and knows those of which it must keep off.

    A state that is damaged is put aside, and its camera begins anew. So is a copy of one that a
    later Watchword wrote, but its camera is refused: what would be evaluated of it here, from
    nothing, would be told beside what is open in that state, and written in its place.
    """

    def __init__(self, bus: Bus, grounder: Grounder, stop: Event) -> None:
        self._bus = bus
        self._grounder = grounder
        self._stop = stop
        self._refused: dict[str, int] = {}  # and the partition

    @property
    def refused(self) -> Collection[str]:
        """Cameras that only a later Watchword can go on with."""
        return self._refused.keys()

    def restore(self, partitions: Partitions) -> dict[str, int]:
        """Read these partitions whole: the cameras that were put back, and where each lies."""
        known: dict[str, int] = {}
        with closing(self._bus.subscribe(ALERT_STATE.name, partitions=partitions)) as states:
            seconds = 0.0
            while not self._stop.is_set():
                for record in states.poll(seconds):
                    self._take(record, known)
                if states.caught_up:
                    break
                seconds = POLL_SECONDS
        return known

    def forget(self, partitions: Partitions) -> None:
        """The partitions are somebody else's."""
        kept = {one: at for one, at in self._refused.items() if at not in partitions}
        self._refused = kept

    def _take(self, record: Record, known: dict[str, int]) -> None:
        camera_id = record.key
        self._refused.pop(camera_id, None)
        try:
            if record.value is not None:
                self._grounder.restore_camera(unpack_alert_state(record.value))
                known[camera_id] = record.partition
                return
        except NewerRecordError as error:
            self._refused[camera_id] = record.partition
            self._put_aside(record, error)
            _log.error("camera %s is not watched here, and its time is blind: %s", camera_id, error)
        except (RecordError, msgspec.MsgspecError) as error:
            self._put_aside(record, error)
            _log.error("camera %s cannot be gone on with: %s", camera_id, error)
        self._grounder.drop([camera_id])
        known.pop(camera_id, None)

    def _put_aside(self, record: Record, error: Exception) -> None:
        UNREADABLE_STATES.inc()
        DEAD_LETTER_COUNT.labels("grounding").inc()
        self._bus.publish(dead_letter(record, 1, error))
