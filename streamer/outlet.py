"""A camera's way to the bus, which can be cut off while the camera still hangs somewhere."""

from streamer.bus import Bus, Message, WhenFull
from streamer.errors import BusClosedError
from streamer.metrics import StreamerMetrics


class Outlet:
    """Publishes what a camera says until it is cut off; then refuses it, and counts that.

    A camera that hangs in a connection when its partition goes to another process cannot be ended.
    Once it comes back to itself it must not speak for a camera that is somebody else's.
    """

    def __init__(self, camera_id: str, bus: Bus, metrics: StreamerMetrics) -> None:
        self._camera_id = camera_id
        self._bus = bus
        self._metrics = metrics
        self._is_cut = False

    @property
    def is_cut(self) -> bool:
        """Whether nothing comes through any more."""
        return self._is_cut

    def cut(self) -> None:
        """Let nothing through from now on; called from any thread."""
        self._is_cut = True

    def publish(
        self, message: Message, when_full: WhenFull = "block", timeout: float | None = None
    ) -> int:
        """See `Bus.publish`; raises BusClosedError once it is cut off."""
        if self._is_cut:
            self._metrics.publishes_refused.inc()
            raise BusClosedError(f"Camera {self._camera_id} was left behind by this process.")
        return self._bus.publish(message, when_full, timeout)
