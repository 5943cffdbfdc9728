import random

from streamer.back_off import BackOff
from streamer.config import BackOffSettings


def test_delays_double_up_to_the_longest():
    back_off = BackOff(BackOffSettings(first_seconds=1.0, longest_seconds=30.0), random.Random(1))
    for whole in (1, 2, 4, 8, 16, 30, 30):
        assert whole / 2 <= back_off.next_seconds() <= whole


def test_a_reset_begins_anew():
    back_off = BackOff(BackOffSettings(first_seconds=1.0))
    for _ in range(50):
        back_off.next_seconds()
    back_off.reset()
    assert back_off.next_seconds() <= 1.0


def test_years_of_failures_do_not_overflow():
    back_off = BackOff(BackOffSettings())
    assert all(back_off.next_seconds() <= 30.0 for _ in range(5000))


def test_two_cameras_do_not_knock_together():
    first, second = (BackOff(BackOffSettings(), random.Random(seed)) for seed in (1, 2))
    assert first.next_seconds() != second.next_seconds()
