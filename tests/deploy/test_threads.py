import os
import signal
import threading

import pytest

from deploy.threads import Threads, interrupts


def test_wait_returns_when_every_thread_has_ended() -> None:
    ran: list[str] = []
    threads = Threads(lambda: None)
    for name in "abc":
        threads.start(name, lambda name=name: ran.append(name))
    threads.wait()
    assert sorted(ran) == ["a", "b", "c"]


def test_an_error_in_one_thread_stops_the_others_and_is_raised() -> None:
    stop = threading.Event()
    threads = Threads(stop.set)

    def fails() -> None:
        raise ValueError("broken")

    threads.start("waits", lambda: stop.wait(30) or None)
    threads.start("fails", fails)
    with pytest.raises(ValueError, match="broken"):
        threads.wait()
    assert stop.is_set()


def test_the_first_of_several_errors_is_the_one_told() -> None:
    stop = threading.Event()
    threads = Threads(stop.set)

    def fails_first() -> None:
        raise ValueError("first")

    def fails_because_of_it() -> None:
        stop.wait(30)
        raise KeyError("second")

    threads.start("second", fails_because_of_it)
    threads.start("first", fails_first)
    with pytest.raises(ValueError, match="first"):
        threads.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_end_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    asked = threading.Event()
    with interrupts(asked.set):
        os.kill(os.getpid(), number)
        assert asked.wait(5)
        assert signal.getsignal(number) == before  # a second one ends the process at once
    assert signal.getsignal(number) == before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def target() -> None:
        with interrupts(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    threads = Threads(lambda: None)
    threads.start("other", target)
    threads.wait()
    assert seen == [before]
