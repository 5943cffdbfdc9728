import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import limited_log
from streamer.limited_log import LimitedLog


class Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def made(seconds: float = 1.0) -> tuple[LimitedLog, Told, Clock]:
    logger, told, clock = logging.Logger("test"), Told(), Clock()
    logger.addHandler(told)
    return LimitedLog(logger, seconds, clock), told, clock


def test_what_repeats_is_said_once_a_second_with_its_count():
    log, told, clock = made()
    for _ in range(5):
        log.warning("no answer from %s", "yard")
    clock.now += 1
    log.warning("no answer from %s", "gate")
    assert told.lines == [
        "WARNING no answer from yard",
        "WARNING no answer from gate (4 more like it)",
    ]


def test_others_are_not_held_back():
    log, told, _ = made()
    log.warning("a")
    log.error("a")
    log.warning("b")
    log.warning("a", about="yard")
    log.warning("a", about="yard")
    assert told.lines == ["WARNING a", "ERROR a", "WARNING b", "WARNING a"]


def test_closing_tells_the_rest():
    log, told, _ = made()
    for number in range(4):
        log.error("fault %d", number)
    log.warning("once")
    log.close()
    log.close()
    assert told.lines == ["ERROR fault 0", "WARNING once", "ERROR fault 3 (2 more like it)"]


def test_one_left_out_is_told_as_it_is():
    log, told, _ = made()
    log.warning("100% full")
    log.warning("100% full")
    log.close()
    assert told.lines == ["WARNING 100% full", "WARNING 100% full"]


def test_a_percent_sign_is_no_format():
    log, told, clock = made()
    log.warning("100% full")
    log.warning("100% full")
    clock.now += 2
    log.warning("100% full")
    assert told.lines[-1] == "WARNING 100% full (1 more like it)"


def test_kinds_heard_of_long_ago_are_told_and_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limited_log, "MOST_KINDS", 2)
    log, told, _ = made()
    for about in ("yard", "yard", "yard", "gate", "roof"):
        log.warning("lost", about=about)
    assert told.lines == ["WARNING lost"] * 3 + ["WARNING lost (1 more like it)"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 2)), max_size=30))
def test_every_message_is_said_or_counted(said: list[tuple[str, float]]):
    log, told, clock = made()
    for about, pause in said:
        clock.now += pause
        log.warning("lost", about=about)
    log.close()
    counts = [int(line.split("(")[1].split()[0]) if "(" in line else 0 for line in told.lines]
    assert len(told.lines) + sum(counts) == len(said)
