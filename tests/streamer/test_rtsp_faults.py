"""What cameras do, done by a real RTSP server and a bad wire: noticed, told, recovered from.

Another camera of the same fleet, in the same worker process, must not notice any of it, and
nothing may be left of what was begun: no thread, process, descriptor or shared memory.
"""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from streamer.health import CameraHealth
from tests.streamer.bad_wire import HOUR, BadWire
from tests.streamer.leaks import Held
from tests.streamer.rtsp_house import (
    B_FRAMES,
    FEWER,
    H264,
    HEVC,
    LARGER,
    MJPEG,
    RESIZABLE,
    SOUND,
    STOPPABLE,
    VARIABLE,
    House,
    need_gstreamer,
)
from tests.streamer.watched import CALM, QUICK, Watched

RTP_CLOCK = 90_000  # units a second
# Silence is waited for, and two seconds of it are enough
stalls = pytest.mark.parametrize("fleet", [QUICK], indirect=True)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    need_gstreamer()
    house = House()
    house.mount("calm", H264)
    yield house
    house.kill()


@pytest.fixture
def other(held: None) -> Iterator[House]:
    """A server for the cameras that things happen to: it may hang with them."""
    other = House()
    yield other
    other.kill()


@pytest.fixture
def held(house: House) -> Iterator[None]:
    before = Held.now()
    yield
    before.check_nothing_more()


@pytest.fixture
def fleet(house: House, held: None, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A fleet with a camera that never does anything, and is none the worse for what others do."""
    fleet = Watched(getattr(request, "param", CALM))
    fleet.add("calm", house.url("calm"))
    fleet.wait_for_clips("calm")
    yield fleet
    try:
        fleet.wait_for_clips("calm")
        fleet.check_untouched("calm")
        assert fleet.reasons("calm") == {}
    finally:
        fleet.close()


@pytest.fixture
def wire(held: None) -> Iterator[Callable[[House], BadWire]]:
    wires: list[BadWire] = []

    def wire(house: House) -> BadWire:
        wires.append(BadWire(house.port))
        return wires[-1]

    yield wire
    for each in wires:
        each.close()


def report(what: str, noticed: float, recovered: float) -> None:
    print(f"{what}: noticed after {noticed:.1f} s, pictures again {recovered:.1f} s later")  # noqa: T201


def is_offline(reason: str) -> Callable[[CameraHealth], bool]:
    return lambda health: (health.state, health.reason) == ("offline", reason)


# -- all at once, in short ----------------------------------------------------------------------


def test_much_goes_wrong_at_once(house: House, other: House, wire):
    """In one worker process: none of it holds up the others."""
    locked, line = House("admin", "pa55word"), wire(house)
    fleet = Watched(per_process=8)
    try:
        fleet.add("calm", house.url("calm"))
        fleet.add("black", house.url("calm", port=line.port))
        fleet.add("killed", other.mount("killed", HEVC))
        locked.mount("locked", MJPEG)
        fleet.add("wrong", locked.url("locked", "admin:wr0ng"))
        fleet.add("deaf", locked.url("locked", "admin:pa55word"))
        fleet.add("nowhere", "rtsp://camera.invalid/live")
        for camera_id in ("calm", "black", "killed", "deaf"):
            fleet.wait_for_clips(camera_id)
        assert len(fleet.fleet.pool.processes) == 1
        line.is_black = True
        other.kill()
        locked.mount("locked", SOUND)
        locked.cut("locked")
        reasons = {"black": "stall", "killed": "refused", "wrong": "auth", "nowhere": "dns"}
        for camera_id, reason in (reasons | {"deaf": "decode"}).items():
            took = fleet.wait(lambda: fleet.reconnects(camera_id, reason), reason)  # noqa: B023
            print(f"{camera_id}: {reason} after {took:.1f} s more")  # noqa: T201
        line.is_black = False
        locked.mount("locked", H264)
        for camera_id in ("black", "deaf"):
            fleet.wait(lambda: len(fleet.sessions(camera_id)) > 1, camera_id)  # noqa: B023
        fleet.wait_for_clips("calm")
        fleet.check_untouched("calm")
        assert "pa55word" not in str(fleet.told())
        assert "wr0ng" not in str(fleet.told())
    finally:
        fleet.close()
        locked.kill()


# -- what cameras send ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "pipeline"),
    [
        ("h264", H264),
        ("hevc", HEVC),
        ("mjpeg", MJPEG),
        ("bframes", B_FRAMES),
        ("vfr", VARIABLE),
    ],
)
def test_it_is_read(fleet: Watched, other: House, kind: str, pipeline: str):
    fleet.add("yard", other.mount(kind, pipeline))
    fleet.wait_for_clips("yard", 2)
    fleet.check_untouched("yard")
    first, second = fleet.clips["yard"][:2]
    assert second.start - first.start == pytest.approx(2.0)
    assert (first.frames.std(axis=(1, 2, 3)) > 1).all()  # a white ball, not a grey decoder's guess


@pytest.mark.slow
def test_fewer_pictures_come_than_are_declared(fleet: Watched, other: House):
    """21 of 25 a second: clips are two seconds of the clock all the same."""
    fleet.add("yard", other.mount("fewer", FEWER))
    fleet.wait_for_clips("yard", 1)
    began = time.time()
    fleet.wait_for_clips("yard", 5)
    took = time.time() - began
    fleet.check_untouched("yard")
    clips = fleet.clips["yard"]
    assert took == pytest.approx(10.0, abs=1.5)
    assert clips[-1].end - time.time() == pytest.approx(0.0, abs=2.0)


# -- silence --------------------------------------------------------------------------------------


@pytest.mark.slow
@stalls
def test_bytes_vanish_and_the_connection_stands(fleet: Watched, house: House, wire):
    line = wire(house)
    fleet.add("yard", house.url("calm", port=line.port))
    fleet.wait_for_clips("yard")
    line.is_black = True
    noticed = fleet.wait_for_reason("yard", "stall")
    tried = fleet.wait_for_reason("yard", "timeout")  # it connects, and nobody answers
    line.is_black = False
    report("bytes vanish", noticed, fleet.wait_for_session("yard"))
    print(f"  a connection without an answer was given up after {tried:.1f} s")  # noqa: T201


@pytest.mark.slow
@stalls
def test_the_far_end_hangs_up_and_nobody_says_so(fleet: Watched, house: House, wire):
    line = wire(house)
    fleet.add("yard", house.url("calm", port=line.port))
    fleet.wait_for_clips("yard")
    line.cut_far_end()
    noticed = fleet.wait_for_reason("yard", "stall")
    line.is_black = False
    report("half-open connection", noticed, fleet.wait_for_session("yard"))


@pytest.mark.slow
@stalls
def test_hardly_anything_comes_through(fleet: Watched, house: House, wire):
    line = wire(house)
    fleet.add("yard", house.url("calm", port=line.port))
    fleet.wait_for_clips("yard")
    line.is_slow = True
    noticed = fleet.wait(lambda: fleet.reasons("yard"), "its end")
    assert set(fleet.reasons("yard")) <= {"stall", "decode"}
    line.is_slow = False
    report("slow trickle", noticed, fleet.wait_for_session("yard"))


@pytest.mark.slow
@stalls
def test_it_pauses_three_seconds_out_of_ten(fleet: Watched, other: House):
    """Longer than `read_timeout_seconds` here: each pause ends a session, and the next begins."""
    fleet.add("yard", other.mount("stops", STOPPABLE))
    fleet.wait_for_clips("yard")
    recoveries = []
    for _ in range(3):
        other.set("stops", "valve", "drop", "true")
        fleet.wait_for_reason("yard", "stall")
        other.set("stops", "valve", "drop", "false")
        recoveries.append(fleet.wait_for_session("yard"))
    print("pauses of 3 s: pictures again after", [f"{seconds:.1f} s" for seconds in recoveries])  # noqa: T201
    sessions = [clip.session for clip in fleet.clips["yard"]]
    assert sessions == sorted(sessions)


@pytest.mark.slow
def test_a_short_pause_stays_in_the_session(fleet: Watched, other: House):
    fleet.add("yard", other.mount("stops-shortly", STOPPABLE))
    fleet.wait_for_clips("yard")
    other.set("stops-shortly", "valve", "drop", "true")
    threading.Event().wait(1.0)
    other.set("stops-shortly", "valve", "drop", "false")
    fleet.wait_for_clips("yard", 2)
    assert len(fleet.sessions("yard")) == 1
    assert fleet.reasons("yard") == {}


# -- other things come ----------------------------------------------------------------------------


@pytest.mark.slow
def test_it_comes_back_with_sound_only(fleet: Watched, other: House):
    fleet.add("yard", other.mount("yard", H264))
    fleet.wait_for_clips("yard")
    other.mount("yard", SOUND)
    other.cut("yard")
    noticed = fleet.wait_for_reason("yard", "decode")
    fleet.wait_for_health("yard", lambda health: "has no video track" in health.message)
    other.mount("yard", H264)
    report("sound only", noticed, fleet.wait_for_session("yard"))


@pytest.mark.slow
def test_the_picture_grows_while_it_plays(fleet: Watched, other: House):
    fleet.add("yard", other.mount("grows", RESIZABLE))
    fleet.wait_for_clips("yard")
    other.set("grows", "size", "caps", LARGER)
    fleet.wait_for_clips("yard", 3)
    fleet.check_untouched("yard")
    assert {clip.frames.shape for clip in fleet.clips["yard"]} == {(4, 48, 64, 3)}
    assert fleet.reasons("yard") == {}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "pipeline"), [("hevc", HEVC), ("mjpeg", MJPEG), ("fps", FEWER)])
def test_it_comes_back_with_another_codec_or_frame_rate(
    fleet: Watched, other: House, kind: str, pipeline: str
):
    fleet.add("yard", other.mount("yard", H264))
    fleet.wait_for_clips("yard")
    other.mount("yard", pipeline)
    other.cut("yard")
    noticed = fleet.wait(lambda: fleet.reasons("yard"), "its end")
    report(f"another stream ({kind})", noticed, fleet.wait_for_session("yard"))
    fleet.wait_for_clips("yard", 2)


@pytest.mark.slow
def test_stamps_jump_by_an_hour(fleet: Watched, house: House, wire):
    line = wire(house)
    fleet.add("yard", house.url("calm", port=line.port))
    fleet.wait_for_clips("yard")
    line.shift = HOUR * RTP_CLOCK
    noticed = fleet.wait_for_reason("yard", "clock_jump")
    report("stamps jump by an hour", noticed, fleet.wait_for_session("yard"))
    clips = fleet.clips["yard"]
    assert clips[-1].end - time.time() == pytest.approx(0.0, abs=5.0)
    starts = [clip.start for clip in clips]
    assert starts == sorted(starts)


@pytest.mark.slow
@stalls
def test_garbage_comes(fleet: Watched, house: House, wire):
    line = wire(house)
    fleet.add("yard", house.url("calm", port=line.port))
    fleet.wait_for_clips("yard")
    line.is_noisy = True
    noticed = fleet.wait(lambda: fleet.reasons("yard"), "its end")
    line.is_noisy = False
    line.cut()
    report("garbage", noticed, fleet.wait_for_session("yard"))


# -- servers --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_server_is_killed_and_started_again(fleet: Watched):
    alone = House()
    try:
        fleet.add("yard", alone.mount("yard", H264))
        fleet.wait_for_clips("yard")
        alone.kill()
        noticed = fleet.wait_for_reason("yard", "eof")
        fleet.wait_for_reason("yard", "refused")
        alone = House(port=alone.port)
        alone.mount("yard", H264)
        report("server killed and started again", noticed, fleet.wait_for_session("yard"))
    finally:
        alone.kill()


@pytest.mark.slow
def test_a_wrong_password(fleet: Watched, caplog: pytest.LogCaptureFixture):
    locked = House("admin", "pa55word")
    try:
        locked.mount("yard", H264)
        fleet.add("gate", locked.url("yard", "admin:wr0ng"))
        noticed = fleet.wait_for_reason("gate", "auth", 2)
        print(f"wrong password: refused twice within {noticed:.1f} s")  # noqa: T201
        fleet.wait_for_health("gate", is_offline("auth"))
        fleet.add("gate", locked.url("yard", "admin:pa55word"), revision=2)
        fleet.wait_for_clips("gate")
        assert "wr0ng" not in str(fleet.healths) + caplog.text
        assert "pa55word" not in str(fleet.healths) + caplog.text
    finally:
        locked.kill()


@pytest.mark.slow
def test_a_camera_that_never_was(fleet: Watched, other: House):
    fleet.add("path", other.url("nobody"))
    fleet.add("port", "rtsp://127.0.0.1:9/live")
    fleet.add("host", "rtsp://camera.invalid/live")
    fleet.wait_for_reason("path", "unknown")
    fleet.wait_for_reason("port", "refused")
    fleet.wait_for_reason("host", "dns")
