from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.clock import ArrivalClock, MediaClock, WallClock, parse_creation_time


def test_media_time_follows_arrival():
    clock = ArrivalClock()
    assert clock.stamp(pts=10.0, arrival=1000.0) == 1000.0
    assert clock.stamp(pts=10.5, arrival=1000.5) == pytest.approx(1000.5)


def test_a_burst_keeps_its_media_distances():
    # an HLS segment: 2 s of pictures within 20 ms
    clock = ArrivalClock()
    stamps = [clock.stamp(i * 0.1, 1000.0 + i * 0.001) for i in range(20)]
    distances = [b - a for a, b in pairwise(stamps)]
    assert distances == pytest.approx([0.1] * 19, abs=0.025)


def test_a_camera_that_lies_about_its_rate_is_followed():
    # it stamps 25 fps and delivers 21: media time runs 19 % too slowly
    clock = ArrivalClock()
    errors = [clock.stamp(i / 25, 1000.0 + i / 21) - (1000.0 + i / 21) for i in range(21 * 300)]
    assert max(map(abs, errors)) < 1.5
    assert errors[-1] == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("sent", [8, 12, 30, 45])
def test_a_camera_that_lies_grossly_is_followed_in_the_end(sent: int):
    clock = ArrivalClock()
    for i in range(sent * 300):
        at = clock.stamp(i / 25, 1000.0 + i / sent)
    assert at == pytest.approx(1000.0 + (sent * 300 - 1) / sent, abs=0.6)


def test_of_bursts_nothing_is_learned():
    # HLS: 4 s of pictures at once; their distances are as in the segment, after many of them too
    clock = ArrivalClock()
    for segment in range(100):
        stamps = [
            clock.stamp(segment * 4 + i * 0.1, 1000.0 + segment * 4 + i * 0.001) for i in range(40)
        ]
    distances = [b - a for a, b in pairwise(stamps)]
    assert sum(distances) == pytest.approx(3.9, abs=0.5)


def test_a_backlog_at_the_beginning_is_worked_off():
    # 2 s of pictures lay ready when the first was read: it is stamped 2 s late at first
    clock = ArrivalClock()
    for i in range(20):
        clock.stamp(i / 10, 1000.0)
    errors = []
    for i in range(20, 1220):
        arrival = 1000.0 + (i - 20) / 10
        errors.append(clock.stamp(i / 10, arrival) - arrival)
    assert max(map(abs, errors)) <= 2.0
    assert errors[-1] == pytest.approx(0.0, abs=0.05)


def test_a_silence_anchors_anew():
    clock = ArrivalClock()
    clock.stamp(0.0, 1000.0)
    assert clock.stamp(0.1, 1007.0) == 1007.0
    assert clock.stamp(0.2, 1007.1) == pytest.approx(1007.1)


def test_one_wild_stamp_gets_its_arrival_time():
    clock = ArrivalClock()
    clock.stamp(0.0, 1000.0)
    assert clock.stamp(9999.0, 1000.1) == pytest.approx(1000.1)
    assert clock.stamp(0.2, 1000.2) == pytest.approx(1000.2, abs=0.01)


def test_three_wild_stamps_anchor_anew():
    clock = ArrivalClock()
    clock.stamp(0.0, 1000.0)
    for i in range(3):
        at = clock.stamp(500.0 + i / 10, 1000.1 + i / 10)
        assert at == pytest.approx(1000.1 + i / 10)
    assert clock.stamp(500.35, 1000.46) == pytest.approx(1000.45, abs=0.01)


@given(st.lists(st.tuples(st.floats(-20, 20), st.floats(0, 3)), max_size=50))
def test_arrival_time_never_goes_back(moves: list[tuple[float, float]]):
    clock, pts, arrival, last = ArrivalClock(), 0.0, 1000.0, 0.0
    for media_step, elapsed in moves:
        pts, arrival = pts + media_step, arrival + elapsed
        at = clock.stamp(pts, arrival)
        assert at > last
        last = at


def test_the_wall_clock_creeps_towards_a_correction():
    clock = WallClock(wall=1000.0, monotonic=0.0)
    assert clock.read(wall=1001.5, monotonic=1.0) == pytest.approx(1001.01)
    for second in range(2, 120):
        now = clock.read(wall=1000.5 + second, monotonic=float(second))
    assert now == pytest.approx(1119.5, abs=0.01)
    assert clock.steps == 0


def test_the_wall_clock_steps_once_a_large_correction_is_certain():
    clock = WallClock(wall=0.0, monotonic=0.0)
    readings = [clock.read(wall=5000.0 + i, monotonic=float(i)) for i in range(1, 5)]
    assert readings[:2] == pytest.approx([1.0, 2.0], abs=0.05)
    assert readings[2:] == pytest.approx([5003.0, 5004.0])
    assert clock.steps == 1


def test_missing_stamps_continue_at_the_frame_rate():
    clock = MediaClock(time_base=0.001, zero=None, fps=10.0)
    stamps: list[int | None] = [None, None, 200, None, 400]
    # the first stamp met is the zero when the stream names none
    assert [clock.seconds_of(pts) for pts in stamps] == pytest.approx([0.0, 0.1, 0.0, 0.1, 0.2])


def test_a_stream_without_rate_or_stamps_runs_at_25():
    clock = MediaClock(time_base=0.001, zero=0, fps=None)
    assert [clock.seconds_of(None) for _ in range(3)] == pytest.approx([0.0, 0.04, 0.08])


def test_decoding_stamps_are_believed_when_presentation_stamps_go_back():
    clock = MediaClock(time_base=0.04, zero=0, fps=25.0)
    pts = [1, 4, 6, 5, 7, 9, 8, 10, 12, 11]
    dts = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    seconds = [clock.seconds_of(p, d) for p, d in zip(pts, dts, strict=True)]
    assert seconds[3:] == pytest.approx([0.04 * d for d in dts[3:]])


def test_the_zero_of_a_stream_is_subtracted():
    clock = MediaClock(time_base=0.001, zero=1400, fps=25.0)
    assert clock.seconds_of(1500) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2018-04-19T22:46:00.000000Z", 1524177960.0),
        ("2018-04-19 22:46:00", 1524177960.0),
        ("1970-01-01T00:00:00Z", None),
        ("1904-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_creation_time(text: str | None, seconds: float | None):
    assert parse_creation_time(text) == seconds
