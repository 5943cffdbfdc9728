"""Packets in the order of decoding, pictures in the order of showing: the same times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live_clock import LiveClock
from streamer.packet_times import PacketTimes

WALL = 1_700_000_000.0
REORDERED = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]  # with two B-frames


def times() -> PacketTimes:
    return PacketTimes(LiveClock(WALL, 0.0))


def now(seconds: float) -> tuple[float, float]:
    return WALL + seconds, seconds


def test_reordered_packets_keep_their_distances():
    packets = times()
    for came, number in enumerate(REORDERED):
        packets.note(number, number / 10, None, now(0.5 + came / 10))
    at = [packets.find(number, number / 10).at for number in range(10)]
    assert [b - a for a, b in pairwise(at)] == pytest.approx([0.1] * 9, abs=0.03)


def test_a_picture_has_the_time_of_its_packet():
    packets = times()
    noted = {n: packets.note(n, n / 10, WALL + n / 10, now(0.2 + n / 10)) for n in range(50)}
    assert all(packets.find(n, n / 10) is noted[n] for n in range(50))
    assert {stamp.clock_source for stamp in noted.values()} == {"rtp"}


def test_what_lay_ready_is_counted_back_from_what_was_waited_for():
    packets = times()
    packets.note_backlog([(n, n / 10, None) for n in REORDERED], now(5.0))
    at = [packets.find(number, number / 10).at - WALL for number in range(10)]
    assert at == pytest.approx([4.1 + n / 10 for n in range(10)])


def test_a_picture_without_a_stamp_is_dated_beside_the_newest_packet():
    packets = times()
    packets.note(None, 3.0, None, now(3.0))
    assert packets.find(None, 2.9).at == pytest.approx(WALL + 2.9)
    assert packets.find(None, 9.0).at == pytest.approx(WALL + 3.0)


def test_stamps_that_really_went_back_are_followed():
    packets = times()
    packets.note(100, 10.0, None, now(0.0))
    at = []
    for i in range(1, 300):  # a second later nothing newer came: it is no reordering
        at.append(packets.note(i, 8.0 + i / 10, None, now(1.0 + i / 10)).at)
    assert at == sorted(set(at)), "slewed, as all corrections"
    assert at[-1] == pytest.approx(WALL + 30.9, abs=0.6)


def test_few_stamps_are_kept():
    packets = times()
    for number in range(5000):
        packets.note(number, number / 10, None, now(number / 10))
    assert len(packets._stamps) <= 1024
    assert packets.find(0, 0.0).at < packets.find(4999, 499.9).at


@given(st.lists(st.tuples(st.integers(-30, 60), st.floats(0, 7)), min_size=1, max_size=60))
def test_any_packets_get_times_near_their_arrival(steps: list[tuple[int, float]]):
    packets, pts, came = times(), 0, 0.0
    for step, pause in steps:
        pts, came = pts + step, came + pause
        stamp = packets.note(pts, pts / 10, None, now(came))
        assert stamp.clock_source == "arrival"
        assert packets.find(pts, pts / 10).at == stamp.at
