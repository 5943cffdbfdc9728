"""The streamer part of a running server: its share of the cameras, as they come and go."""

import logging
import threading
import time

from streamer.bus import (
    CAMERAS,
    CLIPS,
    HEALTH,
    Bus,
    Partitions,
    Rebalance,
    Record,
    Subscription,
    partition_of,
)
from streamer.camera_record import CameraRecord, unpack_camera
from streamer.config import StreamerPartConfig
from streamer.connection import ReadFrames
from streamer.dead_letter import dead_letter
from streamer.errors import BusClosedError, RecordError, SourceAddressError
from streamer.evidence.recovery import EvidenceRecovery
from streamer.fleet import Fleet
from streamer.health import unpack_health
from streamer.metrics import DEAD_LETTER_COUNT, StreamerMetrics

GROUP = "watchword-streamer"
POLL_SECONDS = 0.5
_HEALTH_POLL_SECONDS = 0.05  # where nothing lies, that is known only after a poll
_CLOCKS_AGREE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class StreamerPart:
    """Reads its partitions of the cameras topic whole, and runs what they say.

    Streamers share the cameras by a group. Whoever is given a partition reads it from its start
    and runs its cameras; whoever loses it ends them first. Nothing is ever committed.
    """

    name = "streamer"

    def __init__(
        self,
        config: StreamerPartConfig,
        bus: Bus,
        metrics: StreamerMetrics,
        read_frames: ReadFrames | None = None,
    ) -> None:
        """See `Fleet` for `read_frames`."""
        self._ready = False
        self._bus = bus
        self._metrics = metrics
        self._fleet = Fleet(config, bus, metrics, read_frames)
        self._recovery = EvidenceRecovery(config.evidence) if config.evidence else None
        self._gained: set[int] = set()  # partitions of which it is not known where others left off
        self._left_off: dict[str, float] = {}  # by camera: when others last spoke of it, UTC
        # Newest word on each camera that was not yet acted upon; None: it was removed
        self._pending: dict[str, CameraRecord | None] = {}

    @property
    def ready(self) -> bool:
        """Whether the group agrees who runs what, and all cameras of this process are known."""
        return self._ready

    def run(self, stop: threading.Event) -> None:
        """Blocks until `stop` is set or the bus is closed; then the clips topic is finished.

        Raises what a camera raised that is no fault of its source.
        """
        try:
            subscription = self._subscribe()
            try:
                self._follow(subscription, stop)
            finally:
                self._ready = False
                self._fleet.stop()  # before others may run its cameras
                subscription.close()
                if self._recovery is not None:
                    self._recovery.end()
        except BusClosedError:
            pass
        finally:
            self._bus.finish(CLIPS.name)
        self._fleet.check()

    def _subscribe(self) -> Subscription:
        def take(gained: Partitions) -> None:
            self._ready = False
            self._gained |= gained
            for partition in gained:
                subscription.seek(partition, 0)

        subscription = self._bus.subscribe(CAMERAS.name, GROUP, Rebalance(take, self._let_go))
        return subscription

    def _let_go(self, lost: Partitions) -> None:
        self._ready = False
        self._gained -= lost
        for camera_id in [*self._pending, *self._left_off]:
            if partition_of(camera_id, self._bus.partitions) in lost:
                self._pending.pop(camera_id, None)
                self._left_off.pop(camera_id, None)
        self._fleet.release(lost)

    def _follow(self, subscription: Subscription, stop: threading.Event) -> None:
        while not stop.is_set():
            for record in subscription.poll(POLL_SECONDS):
                self._note(record)
            if self._gained:
                self._read_health(stop)
            # A partition's past is not acted out: of each camera its newest record counts
            if subscription.caught_up:
                self._act()
                self._ready = subscription.settled
                if self._ready and self._recovery is not None:
                    self._recovery.begin()  # now the masks of all cameras are known
            self._fleet.check()

    def _read_health(self, stop: threading.Event) -> None:
        """When somebody last spoke of each camera gained: its sessions go on after that."""
        reader = self._bus.subscribe(HEALTH.name, partitions=frozenset(self._gained))
        try:
            while not (reader.caught_up or stop.is_set()):
                for record in reader.poll(_HEALTH_POLL_SECONDS):
                    self._note_health(record)
        finally:
            reader.close()
        self._gained.clear()

    def _note_health(self, record: Record) -> None:
        try:
            since = unpack_health(record.value).since if record.value else 0.0
        except RecordError as error:
            _log.warning("camera %s: where it left off is not known: %s", record.key, error)
            self._put_aside(record, error)
            return
        # Two sessions may not begin in the same millisecond
        self._left_off[record.key] = since + 0.001
        if since > time.time() + _CLOCKS_AGREE_SECONDS:
            _log.warning(
                "camera %s: the clock of the machine that had it before is %.1f s ahead, so its "
                "times are that much late: set all clocks by NTP",
                record.key,
                since - time.time(),
            )

    def _note(self, record: Record) -> None:
        if record.value is None:
            self._pending[record.key] = None
            return
        try:
            camera = unpack_camera(record.value)
        except RecordError as error:
            self._refuse(record.key, error)
            self._put_aside(record, error)
            return
        known = self._pending.get(record.key)
        if known is None or known.revision <= camera.revision:
            self._pending[record.key] = camera

    def _act(self) -> None:
        pending, self._pending = self._pending, {}
        for camera_id, camera in pending.items():
            if camera is None:
                self._fleet.remove(camera_id)
                continue
            if self._recovery is not None:
                self._recovery.note(camera_id, camera.masks)
            try:
                self._fleet.apply(camera, self._left_off.pop(camera_id, 0.0))
            except SourceAddressError as error:
                self._refuse(camera_id, error)

    def _put_aside(self, record: Record, error: RecordError) -> None:
        DEAD_LETTER_COUNT.labels("streamer").inc()
        self._bus.publish(dead_letter(record, 1, error))

    def _refuse(self, camera_id: str, error: Exception) -> None:
        self._metrics.records_refused.inc()
        _log.error("camera %s: its record was not taken up: %s", camera_id, error)


def build(config: StreamerPartConfig, bus: Bus, metrics: StreamerMetrics) -> StreamerPart:
    """The part, reading with FFmpeg."""
    if config.isolation == "process":
        return StreamerPart(config, bus, metrics)
    from streamer.source import read_frames  # PyAV: only where pictures are decoded

    return StreamerPart(config, bus, metrics, read_frames)
