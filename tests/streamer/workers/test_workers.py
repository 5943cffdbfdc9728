"""Cameras in worker processes that crash, hang and end; and what of them is left."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from streamer.camera_record import Credentials
from streamer.config import StreamerPartConfig
from streamer.source import read_frames
from streamer.workers.pool import WorkerPool
from streamer.workers.worker import Worker
from tests.conftest import ROOT
from tests.streamer.leaks import Held, is_gone, mapped_rings
from tests.streamer.live_http import LiveHttp
from tests.streamer.media import Video, read_number, write_video
from tests.streamer.watched import CALM, QUICK, Watched


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.ts"
    return write_video(path, Video(container="mpegts", key_frame_every=5), 1200)


@pytest.fixture
def live(film: Path) -> Iterator[LiveHttp]:
    camera = LiveHttp.of(film, 120.0)
    yield camera
    camera.close()


@pytest.fixture
def held() -> Iterator[Held]:
    """Nothing is left of what a test started."""
    before = Held.now()
    yield before
    before.check_nothing_more()


@pytest.fixture
def watch(held: Held, live: LiveHttp) -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def watch(config: StreamerPartConfig = CALM, **changes: object) -> Watched:
        started.append(Watched(config, **changes))
        return started[-1]

    yield watch
    live.close()
    for each in started:
        each.close()


@pytest.mark.slow
def test_cameras_share_processes_and_leave_them_when_they_go(watch, live: LiveHttp):
    fleet = watch(per_process=2)
    for camera_id in ("yard", "gate", "hall"):
        fleet.add(camera_id, live.url())
    for camera_id in ("yard", "gate", "hall"):
        fleet.wait_for_clips(camera_id)
    assert sorted(len(cameras) for cameras in fleet.fleet.pool.processes.values()) == [1, 2]
    alone = next(pid for pid, cameras in fleet.fleet.pool.processes.items() if len(cameras) == 1)
    (lonely,) = fleet.fleet.pool.processes[alone]
    fleet.fleet.remove(lonely)
    fleet.wait(lambda: is_gone(alone), "the end of its process")
    fleet.wait(lambda: fleet.healths[lonely][-1] is None, "its end")
    for camera_id in {"yard", "gate", "hall"} - {lonely}:
        fleet.wait_for_clips(camera_id)
        fleet.check_untouched(camera_id)


def test_one_is_added_changed_and_removed_and_the_others_do_not_notice(watch, live: LiveHttp):
    fleet = watch()
    fleet.add("yard", live.url())
    fleet.add("gate", live.url("gate"))
    fleet.wait_for_clips("yard")
    fleet.wait_for_clips("gate")
    process = fleet.pid_of("yard")
    fleet.add("gate", live.url("other"), revision=2)
    fleet.wait_for_session("gate")
    fleet.add("hall", live.url())
    fleet.wait_for_clips("hall")
    fleet.add("yard", live.url(), revision=2, labels={"floor": "1"})
    fleet.fleet.remove("gate")
    fleet.wait(lambda: fleet.healths["gate"][-1] is None, "the end of gate")
    fleet.wait_for_clips("yard", 2)
    assert fleet.pid_of("yard") == fleet.pid_of("hall") == process
    fleet.check_untouched("yard")
    assert fleet.sessions("gate") == sorted(fleet.sessions("gate"))


def test_both_ways_cut_the_same_clips(watch, tmp_path: Path):
    """A film, whose pictures have the times that it says, however long they take to come."""
    path = str(write_video(tmp_path / "a.mp4", Video(), 25))
    fleet, here = watch(), watch(isolation="thread")
    here.fleet._read_frames = read_frames
    for each in (fleet, here):
        each.add("yard", path, pace="fastest")
        each.wait(lambda: len(each.clips["yard"]) == 2, "all clips")  # noqa: B023
    shown = [read_number(pixels) for clip in here.clips["yard"] for pixels in clip.frames]
    assert shown[:4] == sorted(set(shown[:4]))
    same = zip(fleet.clips["yard"], here.clips["yard"], strict=True)
    for a, b in same:
        assert np.array_equal(a.frames, b.frames)
        assert (a.start, a.end, a.seen_until) == (b.start, b.end, b.seen_until)


@pytest.mark.parametrize(
    "end", [signal.SIGSEGV, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_a_process_that_crashes_is_replaced_at_once(
    watch, live: LiveHttp, end: signal.Signals, caplog: pytest.LogCaptureFixture
):
    fleet = watch()
    fleet.add("yard", live.url())
    fleet.add("gate", live.url())
    fleet.wait_for_clips("yard")
    fleet.wait_for_clips("gate")
    crashed = fleet.pid_of("yard")
    assert fleet.pid_of("gate") == crashed
    os.kill(crashed, end)
    took = fleet.wait_for_session("yard")
    print(f"{end.name}: a clip of a new session after {took:.1f} s")  # noqa: T201
    fleet.wait(lambda: len(fleet.sessions("gate")) == 2, "gate")
    assert fleet.reasons("yard") == fleet.reasons("gate") == {"crash": 1}
    assert fleet.pid_of("yard") != crashed
    assert f"camera yard: The process that read it ended (signal {end.name})" in caplog.text
    sessions = [clip.session for clip in fleet.clips["yard"]]
    assert sessions == sorted(sessions)
    starts = [clip.start for clip in fleet.clips["yard"]]
    ends = [clip.seen_until for clip in fleet.clips["yard"]]
    assert all(start >= end - 1e-3 for end, start in zip(ends, starts[1:], strict=False))


def test_what_crashes_twice_is_read_alone(watch, live: LiveHttp):
    fleet = watch()
    for camera_id in ("yard", "gate"):
        fleet.add(camera_id, live.url())
    for count in (1, 2):
        fleet.wait_for_clips("yard")
        fleet.wait_for_clips("gate")
        os.kill(fleet.pid_of("yard"), signal.SIGSEGV)
        fleet.wait(lambda: fleet.reconnects("gate", "crash") == count, "gate")  # noqa: B023
        fleet.wait(lambda: fleet.reconnects("yard", "crash") == count, "yard")  # noqa: B023
    for camera_id in ("yard", "gate"):
        fleet.wait(lambda: len(fleet.sessions(camera_id)) == 3, camera_id)  # noqa: B023
    assert fleet.pid_of("yard") != fleet.pid_of("gate")
    os.kill(fleet.pid_of("yard"), signal.SIGSEGV)
    fleet.wait_for_session("yard")
    assert fleet.reasons("gate") == {"crash": 2}


def test_a_process_that_hangs_is_killed(watch, live: LiveHttp, caplog: pytest.LogCaptureFixture):
    """As one whose FFmpeg never returns: nothing in it answers."""
    fleet = watch(QUICK)
    fleet.add("yard", live.url())
    fleet.wait_for_clips("yard")
    hung = fleet.pid_of("yard")
    os.kill(hung, signal.SIGSTOP)
    took = fleet.wait_for_reason("yard", "stall")
    print(f"a hanging process: killed after {took:.1f} s")  # noqa: T201
    assert is_gone(hung)
    fleet.wait_for_session("yard")
    assert fleet.pid_of("yard") != hung
    assert "stopped sending pictures" in caplog.text


@pytest.mark.slow
def test_neighbours_of_one_that_hangs_are_not_to_blame(watch, live: LiveHttp):
    fleet = watch(QUICK, read_timeout_seconds=3.0)
    fleet.add("yard", live.url())
    fleet.add("gate", live.url())
    fleet.wait_for_clips("yard")
    fleet.wait_for_clips("gate")
    os.kill(fleet.pid_of("yard"), signal.SIGSTOP)
    fleet.wait(lambda: fleet.reasons("yard") and fleet.reasons("gate"), "both")
    reasons = [fleet.reasons(camera_id) for camera_id in ("yard", "gate")]
    assert {"stall": 1} in reasons  # who was late first
    fleet.wait_for_session("yard")
    fleet.wait(lambda: len(fleet.sessions("gate")) == 2, "gate")
    assert fleet.pid_of("yard") == fleet.pid_of("gate")


def test_a_camera_that_hangs_does_not_hold_up_the_end(
    watch, live: LiveHttp, caplog: pytest.LogCaptureFixture
):
    fleet = watch()
    fleet.add("yard", live.url())
    fleet.wait_for_clips("yard")
    hung = fleet.pid_of("yard")
    os.kill(hung, signal.SIGSTOP)
    fleet.fleet.stop()
    assert "was left behind" not in caplog.text
    assert is_gone(hung)


def test_clips_that_nobody_reads_fill_the_ring_and_lose_no_others(watch, live: LiveHttp):
    fleet = watch()
    fleet.add("yard", live.url())
    fleet.wait_for_clips("yard", 3)
    assert mapped_rings() == 1
    assert mapped_rings(fleet.pid_of("yard")) == 1
    fleet.check_untouched("yard")


def test_secrets_stand_in_no_command_line_and_no_environment(
    watch, live: LiveHttp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("WATCHWORD_CAMERA_YARD", "admin:pa55word")
    monkeypatch.setenv("WATCHWORD__SECRETS__KEY", "pa55word")
    fleet = watch()
    fleet.add("yard", live.url(), credentials=Credentials(sealed="admin:pa55word"[::-1]))
    fleet.add("gate", "http://127.0.0.1:9/live", credentials=Credentials(sealed="drow55ap:a"))
    fleet.wait_for_clips("yard")
    fleet.wait_for_reason("gate", "refused")
    process = Path(f"/proc/{fleet.pid_of('yard')}")
    told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert b"streamer.workers" in told
    assert b"pa55" not in told
    assert b"WATCHWORD" not in told
    assert "pa55" not in str(fleet.told()) + caplog.text


def test_credentials_that_are_not_to_be_had(watch, live: LiveHttp):
    fleet = watch()
    fleet.add("yard", live.url(), credentials=Credentials(environment="WATCHWORD_CAMERA_YARD"))
    fleet.wait_for_reason("yard", "auth")
    fleet.wait_for_health("yard", lambda health: "neither is set" in health.message)
    assert fleet.fleet.pool.processes == {}


def test_clips_as_jpegs_are_made_there(watch, live: LiveHttp):
    fleet = watch(pixels="jpeg")
    fleet.add("yard", live.url())
    fleet.wait_for_clips("yard", 2)
    fleet.check_untouched("yard")
    assert fleet.clips["yard"][0].frames.shape == (4, 48, 64, 3)


PARENT = """
import sys, time
sys.path.insert(0, {root!r})
from tests.streamer.watched import Watched
fleet = Watched()
fleet.add("yard", {url!r})
fleet.wait_for_clips("yard")
print(fleet.pid_of("yard"), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("hangs", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_worker_dies_with_the_server(live: LiveHttp, held: Held, hangs: bool):
    code = PARENT.format(root=str(ROOT), url=live.url())
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    worker = int(server.stdout.readline())
    if hangs:
        os.kill(worker, signal.SIGSTOP)
    server.kill()
    server.wait()
    server.stdout.close()
    deadline = time.monotonic() + 20
    while not is_gone(worker):
        assert time.monotonic() < deadline
        time.sleep(0.01)


HOLDS_PYTHONS_LOCK = """
import ctypes, os
from streamer.workers.lifeline import die_with_server
die_with_server(0)
os.write(1, b"x")
ctypes.PyDLL(None).sleep(60)
"""


def test_a_call_that_keeps_pythons_lock_dies_with_the_server():
    assert ctypes.PyDLL(None).sleep
    worker = subprocess.Popen(
        [sys.executable, "-c", HOLDS_PYTHONS_LOCK],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    assert worker.stdout.read(1) == b"x"
    worker.stdin.close()
    assert worker.wait(20) == -signal.SIGKILL
    worker.stdout.close()


def test_ctrl_c_is_for_the_server_alone():
    worker = Worker()
    try:
        for end in (signal.SIGINT, signal.SIGTERM):
            wait_until_it_ignores(worker.pid, end)
            os.kill(worker.pid, end)
        time.sleep(0.1)
        assert worker.is_alive
    finally:
        worker.close()
    assert worker.why_ended() == "signal SIGKILL"


def wait_until_it_ignores(pid: int, number: signal.Signals) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        ignored = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
        if ignored >> (number - 1) & 1:
            return
        time.sleep(0.01)
    raise AssertionError(f"{number.name} is not ignored")


def test_a_pool_that_is_closed_starts_nothing(held: Held):
    pool = WorkerPool(per_process=2)
    worker = pool.place("yard")
    assert pool.place("yard") is worker
    assert pool.place("gate") is worker
    assert pool.place("hall") is not worker
    pool.give_back("hall")
    pool.give_back("nobody")
    assert list(pool.processes.values()) == [frozenset({"yard", "gate"})]
    pool.close()
    assert is_gone(worker.pid)
    with pytest.raises(Exception, match="were ended"):
        pool.place("yard")
