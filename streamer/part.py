"""The streamer part of a running server: the cameras that are registered, as they come and go."""

import logging
import threading

from streamer.bus import CAMERAS, CLIPS, Bus, Record, Subscription
from streamer.camera import ReadFrames
from streamer.camera_record import unpack_camera
from streamer.config import StreamerPartConfig
from streamer.errors import BusClosedError, RecordError, SourceAddressError
from streamer.fleet import Fleet
from streamer.metrics import StreamerMetrics

POLL_SECONDS = 0.5

_log = logging.getLogger(__name__)


class StreamerPart:
    """Reads the cameras topic whole, and runs what it says; `ready` once it knew all cameras."""

    name = "streamer"

    def __init__(
        self,
        config: StreamerPartConfig,
        bus: Bus,
        metrics: StreamerMetrics,
        read_frames: ReadFrames,
    ) -> None:
        self.ready = threading.Event()
        self._bus = bus
        self._metrics = metrics
        self._fleet = Fleet(config, bus, metrics, read_frames)

    def run(self, stop: threading.Event) -> None:
        """Blocks until `stop` is set or the bus is closed; then the clips topic is finished.

        Raises what a camera raised that is no fault of its source.
        """
        try:
            subscription = self._bus.subscribe(CAMERAS.name)
            try:
                self._follow(subscription, stop)
            finally:
                subscription.close()
        except BusClosedError:
            pass
        finally:
            self._fleet.stop()
            self._bus.finish(CLIPS.name)
        self._fleet.check()

    def _follow(self, subscription: Subscription, stop: threading.Event) -> None:
        while not stop.is_set():
            for record in subscription.poll(POLL_SECONDS):
                self._take(record)
            if subscription.caught_up:
                self.ready.set()
            self._fleet.check()

    def _take(self, record: Record) -> None:
        if record.value is None:
            self._fleet.remove(record.key)
            return
        try:
            self._fleet.apply(unpack_camera(record.value))
        except (RecordError, SourceAddressError) as error:
            self._metrics.records_refused.inc()
            _log.error("camera %s: its record was not taken up: %s", record.key, error)


def build(config: StreamerPartConfig, bus: Bus, metrics: StreamerMetrics) -> StreamerPart:
    """The part, reading with FFmpeg."""
    from streamer.source import read_frames  # PyAV: only where pictures are decoded

    return StreamerPart(config, bus, metrics, read_frames)
