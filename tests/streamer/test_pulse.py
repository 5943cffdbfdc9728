"""When a camera is late, and how that is seen from outside."""

from streamer.pulse import Deadlines, Pulse

LIMITS = Deadlines(open_seconds=20.0, silence_seconds=5.0, margin_seconds=3.0, start_seconds=40.0)


def test_it_is_told_what_is_late_with_what(pulse: Pulse):
    asked = 1000.0
    assert LIMITS.late(pulse, asked, asked + 40.0) is None, "its process is still loading Python"
    assert LIMITS.late(pulse, asked, asked + 40.1) == "start"
    pulse.begin(1039.0)
    assert LIMITS.late(pulse, asked, 1062.0) is None
    assert LIMITS.late(pulse, asked, 1062.1) == "connect"
    pulse.opened(1010.0)
    assert LIMITS.late(pulse, asked, 1018.0) is None
    assert LIMITS.late(pulse, asked, 1018.1) == "first"
    pulse.beat(1018.0, is_file=False)
    assert LIMITS.late(pulse, asked, 1026.0) is None
    assert LIMITS.late(pulse, asked, 1026.1) == "silence"
    pulse.beat(1026.0, is_file=False)
    assert LIMITS.late(pulse, asked, 1026.1) is None
    assert pulse.frames == 2


def test_a_file_may_pause_as_long_as_its_stamps_do(pulse: Pulse):
    pulse.beat(1000.0, is_file=True)
    assert LIMITS.late(pulse, 999.0, 1013.0) is None
    assert LIMITS.late(pulse, 999.0, 1013.1) == "silence"


def test_a_file_that_nobody_listened_to_is_not_late(pulse: Pulse):
    pulse.beat(1000.0, is_file=True)
    assert LIMITS.late(pulse, 999.0, 1100.0, listening=1087.0) is None
    assert LIMITS.late(pulse, 999.0, 1100.1, listening=1087.0) == "silence"
    pulse.beat(1000.0, is_file=False)
    assert LIMITS.late(pulse, 999.0, 1100.0, listening=1099.0) == "silence"


def test_a_new_connection_begins_without_one(pulse: Pulse):
    pulse.begin(0.5)
    pulse.opened(1.0)
    pulse.beat(2.0, is_file=True)
    pulse.cover(1_700_000_000.25)
    assert pulse.until == 1_700_000_000.25
    pulse.reset()
    assert (pulse.begun_at, pulse.opened_at, pulse.newest) == (0, 0, 0)
    assert (pulse.until, pulse.frames) == (0, 0)
    assert not pulse.is_file
