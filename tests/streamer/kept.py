"""A tap for tests."""

from streamer.packet_tap import StreamFacts


class Kept:
    """A tap that keeps what it is given."""

    def __init__(self) -> None:
        self.facts: list[StreamFacts] = []
        self.packets: list[tuple[int | None, bool, float]] = []
        self.bytes = 0
        self.ended = 0

    def begin(self, stream: StreamFacts) -> None:
        self.facts.append(stream)

    def packet(
        self, data: bytes, pts: int | None, dts: int | None, is_keyframe: bool, at: float
    ) -> None:
        self.packets.append((pts, is_keyframe, at))
        self.bytes += len(data)

    def end(self) -> None:
        self.ended += 1
