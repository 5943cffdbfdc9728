"""What waits between a camera and the storage: bounded, so that no storage can slow a camera."""

import threading
from collections import deque
from enum import Enum

from streamer.evidence.packet import Packet
from streamer.packet_tap import StreamFacts


class Mark(Enum):
    """What is told between packets."""

    GAP = "packets are missing here"
    END = "the connection is over"
    CLOSE = "no more will come"


Item = StreamFacts | Packet | Mark


class PacketQueue:
    """Packets and marks in order; a packet that finds no room is dropped, never waited for.

    After one is dropped so are all until a key frame finds room: what lies between could not be
    decoded. One thread puts, another takes.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._is_broken = False
        self._changed = threading.Condition()

    def put(self, packet: Packet) -> bool:
        """Whether it was taken."""
        size = len(packet.data)
        with self._changed:
            if self._bytes + size > self._most_bytes or (
                self._is_broken and not packet.is_keyframe
            ):
                if not self._is_broken:
                    self._items.append(Mark.GAP)
                self._is_broken = True
                return False
            self._is_broken = False
            self._bytes += size
            self._items.append(packet)
            self._changed.notify()
            return True

    def tell(self, mark: StreamFacts | Mark) -> None:
        """Always taken: there are few of them."""
        with self._changed:
            if isinstance(mark, StreamFacts):
                self._is_broken = False
            self._items.append(mark)
            self._changed.notify()

    def take(self) -> Item:
        """The next; waits for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._items)
            item = self._items.popleft()
            if isinstance(item, Packet):
                self._bytes -= len(item.data)
            return item
