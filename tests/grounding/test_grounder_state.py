"""A camera is put down by one worker and taken up by another, and nobody notices."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from grounding.alert import Alert
from grounding.alert_state import CameraState, pack_alert_state, unpack_alert_state
from grounding.blind import BlindPeriod
from grounding.coverage import Coverage
from grounding.grounder import Grounder
from tests.grounding.worlds import SESSION, T0, embedding, grounder, query, scene, told


def moved(made: Grounder, camera_id: str = "yard") -> Grounder:
    """Another grounder that goes on with the camera, as it comes off the topic."""
    state = made.camera_state(camera_id)
    assert state is not None
    other = grounder([query()])
    other.restore_camera(unpack_alert_state(pack_alert_state(state)))
    return other


def spans(periods: list[BlindPeriod]) -> list[tuple[str, float, float]]:
    return [(one.reason, round(one.start - T0, 3), round(one.end - T0, 3)) for one in periods]


def test_a_camera_that_nobody_saw_has_no_state() -> None:
    assert grounder([query()]).camera_state("yard") is None


def test_a_camera_on_which_nothing_happens_has_a_state_too() -> None:
    made = grounder([query()])
    made.evaluate(scene("....", clock_source="rtp"))
    state = made.camera_state("yard")
    assert state is not None
    assert state.live
    assert state.covered is not None
    assert (state.covered.session, state.covered.index, state.covered.until) == (
        SESSION,
        3,
        T0 + 8,
    )


def test_an_open_alert_goes_on_elsewhere_and_closes_on_silence() -> None:
    first = grounder([query()])
    (opened, *_) = first.evaluate(scene("..##", clock_source="arrival"))
    (closed,) = moved(first).tick(T0 + 1000)
    assert (closed.alert_id, closed.state) == (opened.alert_id, "closed")


def test_a_file_stays_a_file_elsewhere() -> None:
    first = grounder([query()])
    first.evaluate(scene("..##"))
    assert moved(first).tick(T0 + 1000) == []


def test_a_state_from_a_store_holds_open_alerts_alone() -> None:
    first = grounder([query()])
    (opened, *_) = first.evaluate(scene("..##"))
    camera = msgspec.msgpack.decode(first.tracker.camera_snapshot("yard"))
    alert = msgspec.msgpack.encode(camera["tracks"]["q0"]["live"][0])
    again = grounder([query()])
    again.restore_camera(CameraState(camera_id="yard", clock=T0, alerts=(alert,)))
    (closed,) = again.tick(T0 + 1000)
    assert (closed.alert_id, closed.state) == (opened.alert_id, "closed")


def test_a_state_that_cannot_be_read_leaves_a_camera_that_nobody_knows() -> None:
    made = grounder([query()])
    made.evaluate(scene("..##"))
    with pytest.raises(msgspec.DecodeError):
        made.restore_camera(CameraState(camera_id="yard", clock=T0, tracks=b"\xc1"))
    assert made.camera_state("yard") is None


def test_a_dropped_camera_is_forgotten_whatever_is_open_and_nothing_is_told() -> None:
    made = grounder([query()])
    for camera in ("yard", "gate"):
        made.evaluate(scene("..##  .", camera_id=camera, clock_source="arrival"))
    made.drop(["yard", "unknown"])
    assert made.camera_state("yard") is None
    assert {one.camera_id for one in made.take_blind()} == {"gate"}
    assert {alert.camera_id for alert in made.tick(T0 + 1000)} == {"gate"}
    assert made.windows.mark("yard").rows is None


def test_the_coverage_of_a_dropped_camera_is_told_by_who_has_it() -> None:
    made = grounder([query()], coverage=Coverage(lambda: T0))
    made.evaluate(scene("....", camera_id="moves"))
    made.tick(T0)
    labels = {"camera": "moves"}
    assert REGISTRY.get_sample_value("watchword_query_coverage_ratio", labels) == 1.0
    made.drop(["moves"])
    assert REGISTRY.get_sample_value("watchword_query_coverage_ratio", labels) is None


def test_filling_shows_windows_the_past_and_tells_nothing() -> None:
    made = grounder([query()])
    before = REGISTRY.get_sample_value("watchword_windows_total", {"outcome": "due"})
    made.fill(scene("..##" * 20))
    made.fill(scene("..##" * 20))  # again: repeated clips are passed over
    assert (made.counts.windows, made.counts.detector) == (0, 0)
    assert REGISTRY.get_sample_value("watchword_windows_total", {"outcome": "due"}) == before
    assert made.take_blind() == []
    assert made.camera_state("yard") is None
    events = made.evaluate([embedding(80, {0: 0.9})])
    assert min(alert.start - T0 for alert in events) < 150  # of an event seen while filling


def test_live_cameras_are_known_from_filling() -> None:
    made = grounder([query()])
    made.fill(scene("..", clock_source="arrival"))
    assert made.forget("yard")


def test_a_silent_camera_is_blind_and_a_file_that_ended_is_not() -> None:
    made = grounder([query()])
    made.evaluate(scene("..", clock_source="arrival"))
    made.evaluate(scene("..", camera_id="film"))
    for second in range(10, 400):
        made.tick(T0 + second)
    periods = made.take_blind()
    assert {one.camera_id for one in periods} == {"yard"}
    assert spans(periods) == [("stream", 4, 244)]


def test_only_cameras_named_as_silent_are() -> None:
    made = grounder([query()])
    made.evaluate(scene("..", clock_source="arrival"))
    for second in range(10, 400):
        made.tick(T0 + second, silent=())
    assert made.take_blind() == []


def test_a_camera_that_was_forgotten_and_comes_back_was_blind_meanwhile() -> None:
    made = grounder([query()])
    made.evaluate(scene("..", clock_source="arrival"))
    assert made.forget("yard")
    assert made.camera_state("yard") is None
    made.evaluate(scene(".", session=SESSION + 900_000, clock_source="arrival"))
    assert spans(made.take_blind()) == [("stream", 4, 900)]


flags = st.text(alphabet="#.. ", min_size=1, max_size=60).filter(str.strip)


@settings(max_examples=25)
@given(flags, st.lists(st.integers(1, 20), max_size=5))
def test_moving_a_camera_changes_no_alert_and_no_blind_period(
    drawn: str, batches: list[int]
) -> None:
    clips = scene(drawn)
    whole = grounder([query()])
    expected = whole.evaluate(clips) + whole.finish()
    made, done, state = grounder([query()]), 0, b""
    events: list[Alert] = []
    blind: list[BlindPeriod] = []
    for size in [*batches, len(clips)]:
        made.evaluate(clips[done : done + 5])  # lost: the worker dies before it commits
        made = grounder([query()])
        if state:
            made.restore_camera(unpack_alert_state(state))
        made.fill(clips[max(0, done - 74) : done])
        events += made.evaluate(clips[done : done + size])
        blind += made.take_blind()
        done = min(len(clips), done + size)
        camera = made.camera_state("yard")
        assert camera is not None
        state = pack_alert_state(camera)
    assert told(events + made.finish()) == told(expected)
    assert spans(blind) == spans(whole.take_blind())
