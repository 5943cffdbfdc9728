"""Packets lie in a segment where the camera's clock says, in the order in which they are shown."""

from fractions import Fraction
from itertools import pairwise

import pytest

from streamer.evidence.packet import Packet
from streamer.evidence.packet_time import PacketTime
from tests.streamer.media import START

BASE = Fraction(1, 90_000)


def packet(pts: int | None, at: float) -> Packet:
    return Packet(b"", pts, None, False, START + at)


def times_of(packets: list[Packet]) -> list[int]:
    time = PacketTime(BASE, packets[0])
    return [time.ms(one) for one in packets]


@pytest.mark.parametrize(("declared", "sent"), [(25, 25), (25, 21), (25, 12), (10, 25)])
def test_a_camera_that_stamps_another_rate_than_it_sends(declared: int, sent: int) -> None:
    packets = [packet(number * 90_000 // declared, number / sent) for number in range(2500)]
    times = times_of(packets)
    assert times == pytest.approx([number * 1000 / sent for number in range(2500)], abs=0.6)
    # No picture stands still, and none is skipped
    assert {after - before for before, after in pairwise(times)} <= {
        1000 // sent,
        1000 // sent + 1,
    }


def test_pictures_that_are_decoded_in_another_order_are_shown_in_theirs() -> None:
    # Groups of I or P, then the two B before it; 25 fps stamped, 20 sent. The B come dated by
    # their stamps, as who reads them does, which alone would be too late
    shown = [0] + [3 * group + step for group in range(1, 200) for step in (0, -2, -1)]
    packets = []
    for number in shown:
        anchor = -(-number // 3) * 3
        packets.append(packet(3600 * number, anchor / 20 + (number - anchor) / 25))
    times = times_of(packets)
    by_picture = [ms for _, ms in sorted(zip(shown, times, strict=True))]
    assert by_picture == [50 * number for number in range(len(shown))]


def test_pictures_before_the_first_key_frame_keep_their_distance() -> None:
    assert times_of([packet(9000, 0.1), packet(1800, 0.02), packet(5400, 0.06)]) == [0, -80, -40]


def test_stamps_that_jump_are_laid_on_the_clock_anew() -> None:
    hour = 3600 * 90_000
    packets = [packet(hour, 0.0), packet(hour + 3600, 0.04), packet(0, 0.08), packet(3600, 0.12)]
    assert times_of(packets) == [0, 40, 80, 120]
    assert times_of([packet(0, 0.0), packet(hour, 0.04), packet(hour + 3600, 0.08)]) == [0, 40, 80]


def test_a_pause_of_the_camera_is_a_pause_here() -> None:
    # Its stamps go on as if there had been none
    assert times_of([packet(0, 0.0), packet(3600, 3.04), packet(7200, 3.08)]) == [0, 3040, 3080]


def test_packets_without_stamps_go_by_the_clock() -> None:
    assert times_of([packet(None, 0.0), packet(None, 0.04), packet(0, 0.08)]) == [0, 40, 80]


def test_a_stamp_that_comes_twice_is_shown_once_more_at_the_same_time() -> None:
    assert times_of([packet(0, 0.0), packet(3600, 0.04), packet(3600, 0.041)]) == [0, 40, 40]
