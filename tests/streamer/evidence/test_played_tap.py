"""A file's packets carry the times at which they are played."""

from fractions import Fraction

from streamer.evidence.played_tap import PlayedTap
from streamer.packet_tap import StreamFacts

FACTS = StreamFacts("h264", None, Fraction(1, 1000), 64, 48)


class Heard:
    def __init__(self) -> None:
        self.told: list[object] = []

    def begin(self, stream: StreamFacts) -> None:
        self.told.append("begin")

    def packet(
        self, data: bytes, pts: int | None, dts: int | None, is_keyframe: bool, at: float
    ) -> None:
        self.told.append(at)

    def end(self) -> None:
        self.told.append("end")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def give(tap: PlayedTap, *times: float) -> None:
    for at in times:
        tap.packet(b"data", None, None, True, at)


def test_a_live_cameras_packets_keep_their_times() -> None:
    heard = Heard()
    tap = PlayedTap(heard, Clock())
    tap.begin(FACTS)
    give(tap, 10.0, 10.1)
    assert heard.told == []  # nobody knows yet whether it is live
    tap.shown(10.0, is_file=False)
    give(tap, 10.2)
    tap.end()
    assert heard.told == ["begin", 10.0, 10.1, 10.2, "end"]


def test_a_files_packets_are_moved_to_when_it_is_played() -> None:
    heard, clock = Heard(), Clock()
    tap = PlayedTap(heard, clock)
    tap.begin(FACTS)
    give(tap, 100.0, 101.0)
    clock.now = 5000.0
    tap.shown(100.0, is_file=True)
    give(tap, 102.0)
    clock.now = 5001.01  # a little late: the camera's own clock is smoother
    tap.shown(101.0, is_file=True)
    give(tap, 103.0)
    clock.now = 5009.0  # it was held up: what follows is played later
    tap.shown(102.0, is_file=True)
    tap.end()
    assert heard.told == ["begin", 5000.0, 5001.0, 5002.0, 5010.0, "end"]


def test_what_gave_no_picture_is_not_kept() -> None:
    heard = Heard()
    tap = PlayedTap(heard, Clock())
    tap.begin(FACTS)
    give(tap, 10.0)
    tap.end()
    assert heard.told == ["end"]
