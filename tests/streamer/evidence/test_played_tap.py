"""A file's packets carry the times at which they are played."""

from fractions import Fraction
from itertools import pairwise

import pytest

from streamer.evidence.played_tap import PlayedTap
from streamer.evidence.tally import EvidenceTally
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
    assert heard.told[0] == "begin"
    assert heard.told[1:-1] == pytest.approx([5000.0, 5001.0, 5002.0, 5010.0], abs=0.02)


def test_a_late_picture_moves_no_other() -> None:
    heard, clock = Heard(), Clock()
    tap = PlayedTap(heard, clock)
    tap.begin(FACTS)
    for number in range(100):
        at = 0.1 * number
        give(tap, at)
        # The machine is busy at every tenth picture, which is a key frame
        clock.now = 5000.0 + at + (0.7 if number % 10 == 0 and number else 0.0)
        tap.shown(at, is_file=True)
    times = heard.told[1:]
    assert times == pytest.approx([5000.0 + 0.1 * number for number in range(100)], abs=0.08)
    assert all(0.08 < after - before < 0.12 for before, after in pairwise(times))


def test_the_clock_is_followed_when_it_is_set() -> None:
    heard, clock = Heard(), Clock()
    tap = PlayedTap(heard, clock)
    tap.begin(FACTS)
    for second in range(1000):
        give(tap, float(second))
        clock.now = 5000.0 + second + (3.0 if second > 10 else 0.0)
        tap.shown(float(second), is_file=True)
    assert heard.told[-1] == pytest.approx(6002.0, abs=0.001)
    assert all(0.98 < after - before < 1.02 for before, after in pairwise(heard.told[1:]))


def test_what_finds_no_room_is_counted_and_what_needs_it_is_left_out() -> None:
    heard, tally = Heard(), EvidenceTally()
    tap = PlayedTap(heard, Clock(), tally, most_waiting=10)
    tap.begin(FACTS)
    give(tap, 1.0, 2.0)  # four bytes each
    tap.packet(b"data", None, None, False, 3.0)
    tap.packet(b"d", None, None, False, 4.0)  # there is room, but it needs the other
    tap.shown(1.0, is_file=False)
    assert (heard.told, tally.waited) == (["begin", 1.0, 2.0], 2)

    heard, tally = Heard(), EvidenceTally()
    tap = PlayedTap(heard, Clock(), tally, most_waiting=10)
    tap.begin(FACTS)
    give(tap, 1.0, 2.0, 3.0)
    tap.packet(b"k", None, None, True, 4.0)
    tap.packet(b"d", None, None, False, 5.0)
    tap.shown(0.0, is_file=True)
    assert (heard.told, tally.waited) == (["begin", 1.0, 2.0, "begin", 4.0, 5.0], 1)


def test_what_gave_no_picture_is_not_kept() -> None:
    heard = Heard()
    tap = PlayedTap(heard, Clock())
    tap.begin(FACTS)
    give(tap, 10.0)
    tap.end()
    assert heard.told == ["end"]
