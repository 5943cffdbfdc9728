"""Recording a camera: a tap that hands its packets to a thread of their own."""

import threading

from streamer.evidence.config import EvidenceConfig
from streamer.evidence.packet import Packet
from streamer.evidence.packet_queue import Mark, PacketQueue
from streamer.evidence.shelf import Shelf, open_shelf
from streamer.evidence.tally import EvidenceTally
from streamer.packet_tap import StreamFacts
from streamer.picture_area import Polygon


class EvidenceRecorder:
    """A `PacketTap` that keeps what it is given; whatever the storage does, it returns at once.

    Its thread starts with the first connection. What the storage cannot take in time is dropped
    and counted in `tally`.
    """

    def __init__(
        self,
        camera_id: str,
        config: EvidenceConfig,
        shelf: Shelf,
        masks: tuple[Polygon, ...] = (),
        tally: EvidenceTally | None = None,
    ) -> None:
        self.tally = tally if tally is not None else EvidenceTally()
        self._camera_id = camera_id
        self._config = config
        self._shelf = shelf
        self._masks = masks
        self._queue = PacketQueue(config.queue_bytes)
        self._thread: threading.Thread | None = None
        self._bug: BaseException | None = None

    def begin(self, stream: StreamFacts) -> None:
        """See `PacketTap.begin`."""
        if self._thread is None:
            name = f"evidence {self._camera_id}"
            self._thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._thread.start()
        self._queue.tell(stream)

    def packet(
        self, data: bytes, pts: int | None, dts: int | None, is_keyframe: bool, at: float
    ) -> None:
        """See `PacketTap.packet`."""
        if not self._queue.put(Packet(data, pts, dts, is_keyframe, at)):
            self.tally.waited += 1

    def end(self) -> None:
        """See `PacketTap.end`."""
        if self._thread is not None:
            self._queue.tell(Mark.END)

    def close(self, timeout: float | None = None) -> bool:
        """Keep what is there and end the thread; whether it ended in so many seconds.

        Raises what the thread met that nobody expected.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        self._queue.tell(Mark.CLOSE)
        thread.join(timeout)
        bug, self._bug = self._bug, None
        if bug is not None:
            raise bug
        return not thread.is_alive()

    def _work(self) -> None:
        try:
            self._keep()
        except BaseException as error:  # noqa: BLE001 - raised again by `close`
            self._bug = error

    def _keep(self) -> None:
        # PyAV: only where something is kept, and not in the thread that reads the camera
        from streamer.evidence.segment_keeper import SegmentKeeper

        keeper = SegmentKeeper(self._camera_id, self._config, self._shelf, self.tally, self._masks)
        keeper.recover()
        while (item := self._queue.take()) is not Mark.CLOSE:
            if isinstance(item, Packet):
                keeper.packet(item)
            elif isinstance(item, StreamFacts):
                keeper.begin(item)
            elif item is Mark.GAP:
                keeper.gap()
            else:
                keeper.end()
        keeper.end()


def open_recorder(
    config: EvidenceConfig,
    camera_id: str,
    masks: tuple[Polygon, ...] = (),
    tally: EvidenceTally | None = None,
) -> EvidenceRecorder:
    """A recorder of a camera; nothing is started or connected to yet.

    Raises:
        EvidenceStorageError: see `open_shelf`.
    """
    return EvidenceRecorder(camera_id, config, open_shelf(config.url), masks, tally)
