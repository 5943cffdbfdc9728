import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from grounding.alert_state import (
    CameraState,
    pack_alert_state,
    seed_messages,
    state_message,
    unpack_alert_state,
)
from grounding.blind import Covered
from grounding.config import AlertSettings, GroundingConfig
from grounding.grounder import Grounder
from grounding.tracker import AlertTracker
from streamer.bus import ALERT_STATE
from streamer.errors import RecordError
from tests.grounding.worlds import T0, parts, query, scene


def open_states(camera_id: str, flags: str = ".##") -> list[bytes]:
    """What a store holds of a camera whose events still run."""
    tracker = AlertTracker(AlertSettings(), keep_snapshots=True)
    made = Grounder(parts(), tracker, GroundingConfig())
    made.watch([query("q0", 0), query("q1", 1)])
    events = made.evaluate(scene(flags, camera_id=camera_id))
    newest = {event.alert_id: event.event_id for event in events}
    states = tracker.take_snapshots()
    return [states[event_id] for event_id in newest.values()]


covereds = st.builds(
    Covered, st.integers(0, 2**60), st.integers(-1, 2**40), st.floats(allow_nan=False)
)


@given(
    st.builds(
        CameraState,
        camera_id=st.text(),
        clock=st.floats(allow_nan=False),
        live=st.booleans(),
        covered=st.none() | covereds,
        tracks=st.binary(),
        alerts=st.lists(st.binary()).map(tuple),
    )
)
def test_a_state_comes_back(state: CameraState) -> None:
    assert unpack_alert_state(pack_alert_state(state)) == state
    message = state_message(state.camera_id, state)
    assert (message.topic, message.key) == (ALERT_STATE.name, state.camera_id)
    assert unpack_alert_state(message.value or b"") == state


@pytest.mark.parametrize("value", [b"", b"{}", b"\xc1", pack_alert_state.__doc__.encode()])
def test_anything_else_is_an_error(value: bytes) -> None:
    with pytest.raises(RecordError, match="no alert state"):
        unpack_alert_state(value)


def test_what_a_later_version_adds_is_passed_over_and_a_later_schema_refused() -> None:
    state = CameraState(camera_id="yard", clock=T0)
    fields = msgspec.msgpack.decode(pack_alert_state(state))
    assert unpack_alert_state(msgspec.msgpack.encode(fields | {"mood": 1})) == state
    with pytest.raises(RecordError, match="upgrade"):
        unpack_alert_state(msgspec.msgpack.encode(fields | {"schema": 2}))


def test_a_camera_that_was_forgotten_has_no_state() -> None:
    message = state_message("yard", None)
    assert (message.topic, message.key, message.value) == (ALERT_STATE.name, "yard", None)


def test_stored_states_become_one_message_a_camera() -> None:
    states = [*open_states("yard"), *open_states("gate", "#"), *open_states("gate", "..#")]
    messages = {message.key: message for message in seed_messages(states)}
    assert set(messages) == {"yard", "gate"}
    yard = unpack_alert_state(messages["yard"].value or b"")
    assert (yard.camera_id, yard.clock, yard.alerts) == ("yard", T0 + 6, tuple(states[:1]))
    gate = unpack_alert_state(messages["gate"].value or b"")
    assert (gate.clock, gate.alerts) == (T0 + 6, tuple(states[1:]))
    made = AlertTracker(AlertSettings())
    assert made.restore_alerts(gate.alerts) == {"gate"}


def test_an_unreadable_state_is_counted_and_the_others_go_on() -> None:
    name = "watchword_alert_states_unreadable_total"
    before = REGISTRY.get_sample_value(name) or 0
    (message,) = seed_messages([b"", b"nonsense", *open_states("yard")])
    assert message.key == "yard"
    assert REGISTRY.get_sample_value(name) == before + 2


def test_nothing_open_is_nothing_said() -> None:
    assert seed_messages([]) == []
