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

    Its thread starts with the first connection, once that of `predecessor` has ended: where the
    storage hangs, one thread of a camera hangs with it and not one for each connection. What the
    storage cannot take in time is dropped and counted in `tally`.
    """

    def __init__(
        self,
        camera_id: str,
        config: EvidenceConfig,
        shelf: Shelf,
        masks: tuple[Polygon, ...] = (),
        tally: EvidenceTally | None = None,
        predecessor: "EvidenceRecorder | None" = None,
    ) -> None:
        self.tally = tally if tally is not None else EvidenceTally()
        self._camera_id = camera_id
        self._config = config
        self._shelf = shelf
        self._masks = masks
        self._queue = PacketQueue(config.queue_bytes)
        self._thread: threading.Thread | None = None
        self._bug: BaseException | None = None
        self._left: threading.Thread | None = None  # that did not end when it had to
        self._predecessor = predecessor
        self._waits_with: StreamFacts | None = None  # until the predecessor has ended

    @property
    def hangs(self) -> bool:
        """Whether its thread goes on although it was closed."""
        return self._left is not None and self._left.is_alive()

    def begin(self, stream: StreamFacts) -> None:
        """See `PacketTap.begin`."""
        if self._thread is None:
            self._waits_with = stream
            self._start()
        else:
            self._queue.tell(stream)

    def packet(
        self, data: bytes, pts: int | None, dts: int | None, is_keyframe: bool, at: float
    ) -> None:
        """See `PacketTap.packet`."""
        if self._waits_with is not None:
            self._start()
        packet = Packet(data, pts, dts, is_keyframe, at)
        if self._thread is None or self._bug is not None or not self._queue.put(packet):
            self.tally.waited += 1

    def end(self) -> None:
        """See `PacketTap.end`."""
        self._waits_with = None
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
        self._left = thread if thread.is_alive() else None
        return self._left is None

    def _start(self) -> None:
        """Unless the predecessor still hangs."""
        if self._predecessor is not None and self._predecessor.hangs:
            return
        stream, self._waits_with, self._predecessor = self._waits_with, None, None
        name = f"evidence {self._camera_id}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        if stream is not None:
            self._queue.tell(stream)

    def _work(self) -> None:
        try:
            self._keep()
        except BaseException as error:  # noqa: BLE001 - raised again by `close`
            self.tally.faults += 1
            self.tally.problem = f"Recording failed in a way that nobody foresaw: {error!r}."
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
    predecessor: EvidenceRecorder | None = None,
) -> EvidenceRecorder:
    """A recorder of a camera; nothing is started or connected to yet.

    Raises:
        EvidenceStorageError: see `open_shelf`.
    """
    return EvidenceRecorder(camera_id, config, open_shelf(config.url), masks, tally, predecessor)
