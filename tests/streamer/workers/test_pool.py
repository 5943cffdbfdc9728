"""Processes that were killed and do not die, as those that wait for a disk: who waits too."""

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from streamer.workers.pool import WorkerPool
from streamer.workers.worker import Worker
from tests.streamer.leaks import is_gone

PATIENCE = 60.0


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(per_process=1)
    yield pool
    pool.close()


@pytest.fixture
def undying(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Worker], None]]:
    """Makes a process one that no signal ends, until the test is over."""
    monkeypatch.setattr("streamer.workers.pool._END_SECONDS", 0.01)
    monkeypatch.setattr("streamer.workers.worker._SETTLE_SECONDS", 0.01)
    workers: list[Worker] = []

    def undying(worker: Worker) -> None:
        monkeypatch.setattr(worker._process, "kill", lambda: None)
        os.kill(worker.pid, signal.SIGSTOP)
        workers.append(worker)

    yield undying
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    for thread in threading.enumerate():
        if thread.name.startswith("waits for the end of process"):
            thread.join(PATIENCE)
    assert all(is_gone(worker.pid) for worker in workers), "somebody waited for its end"


def in_time(work: Callable[[], object]) -> None:
    """Fails, where the work would wait for ever."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_one_that_does_not_die_is_left_behind(pool: WorkerPool, undying) -> None:
    worker = pool.place("yard")
    undying(worker)
    assert worker.kill("yard")
    assert not worker.is_alive, "nothing of it goes on"
    in_time(lambda: pool.ended(worker))
    assert "the system still holds it" in worker.why_ended()
    assert pool.place("yard") is not worker


def test_a_camera_that_goes_waits_for_nobody(pool: WorkerPool, undying) -> None:
    undying(pool.place("yard"))
    in_time(lambda: pool.give_back("yard"))
    assert pool.processes == {}


def test_the_end_waits_for_nobody(undying) -> None:
    pool = WorkerPool(per_process=1)
    for camera_id in ("yard", "gate"):
        undying(pool.place(camera_id))
    in_time(pool.close)


def test_others_get_a_place_while_one_is_waited_for(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, waits, goes_on = pool.place("yard"), threading.Event(), threading.Event()
    close = worker.close

    def slow_close() -> None:
        waits.set()
        goes_on.wait(PATIENCE)
        close()

    monkeypatch.setattr(worker, "close", slow_close)
    leaving = threading.Thread(target=pool.give_back, args=("yard",))
    leaving.start()
    assert waits.wait(PATIENCE)
    in_time(lambda: pool.place("gate"))
    goes_on.set()
    leaving.join(PATIENCE)
    assert list(pool.processes.values()) == [frozenset({"gate"})]
