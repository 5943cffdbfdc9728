"""States that cannot be gone on with: damaged, or of a later Watchword. Drawings: test_recovery.py.

A camera whose open alerts are in a state that only others can read is left to them.
"""

import msgspec
import pytest

from streamer.bus import ALERT_STATE, DEAD_LETTERS, Message, Record, partition_of
from tests.grounding.mortal import Driven, Stage, draw

PARTITIONS = 3  # of a Stage
NEIGHBOUR = next(
    name
    for name in map("gate-{}".format, range(100))
    if partition_of(name, PARTITIONS) == partition_of("yard", PARTITIONS)
)
CLIPS = list(draw("..###.......", "yard"))
OTHERS = list(draw("..###" + 40 * ".", NEIGHBOUR))
OPEN = ["opened", "updated"]
SEEN = 4  # clips until yard's alert is open


def state_of(stage: Stage, camera_id: str) -> bytes | None:
    """The newest state on the topic."""
    with_key = [r for r in stage.bus.subscribe(ALERT_STATE.name).poll(0.0) if r.key == camera_id]
    return with_key[-1].value if with_key else None


def later(state: bytes | None) -> bytes:
    """The state as a later Watchword writes it."""
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(state or b""), "schema": 2})


def letters_of(stage: Stage) -> list[Record]:
    return list(stage.letters.poll(0.0))


def alerts_of(stage: Stage, camera_id: str) -> list[str]:
    return [alert.state for alert in stage.alerts() if alert.camera_id == camera_id]


@pytest.fixture
def stage() -> Stage:
    """An alert is open, and its worker has gone."""
    stage = Stage(CLIPS[:SEEN], PARTITIONS)
    worker = Driven(stage.bus)
    worker.settle()
    worker.die()
    assert alerts_of(stage, "yard") == OPEN
    return stage


def go_on(stage: Stage) -> Driven:
    stage.show([*CLIPS[SEEN:], *OTHERS])
    worker = Driven(stage.bus)
    worker.settle()
    return worker


def test_a_camera_with_a_later_state_is_left_as_it_is_and_its_time_is_blind(stage: Stage) -> None:
    newer = later(state_of(stage, "yard"))
    stage.bus.publish(Message(ALERT_STATE.name, "yard", newer))
    go_on(stage).die()
    assert state_of(stage, "yard") == newer
    assert alerts_of(stage, "yard") == OPEN
    left_out = CLIPS[SEEN:]
    assert stage.blind()["yard", "lag"] == [(left_out[0].start, left_out[-1].seen_until)]
    (letter,) = letters_of(stage)
    assert (letter.topic, letter.key, letter.value) == (DEAD_LETTERS.name, "yard", newer)
    headers = dict(letter.headers)
    assert (headers["topic"], headers["error"]) == (ALERT_STATE.name.encode(), b"NewerRecordError")


def test_other_cameras_of_its_partition_are_evaluated(stage: Stage) -> None:
    stage.bus.publish(Message(ALERT_STATE.name, "yard", later(state_of(stage, "yard"))))
    go_on(stage)
    assert alerts_of(stage, NEIGHBOUR)[-1] == "closed"


def test_who_can_read_the_state_goes_on_from_it(stage: Stage) -> None:
    known = state_of(stage, "yard")
    stage.bus.publish(Message(ALERT_STATE.name, "yard", later(known)))
    go_on(stage).die()
    stage.bus.publish(Message(ALERT_STATE.name, "yard", known))  # as if it could be read
    stage.show(draw("|" + 40 * ".", "yard"))
    Driven(stage.bus).settle()
    opened, *_, closed = [alert for alert in stage.alerts() if alert.camera_id == "yard"]
    assert (closed.state, closed.alert_id) == ("closed", opened.alert_id)


def test_a_camera_whose_state_was_removed_is_refused_no_more(stage: Stage) -> None:
    stage.bus.publish(Message(ALERT_STATE.name, "yard", later(state_of(stage, "yard"))))
    stage.bus.publish(Message(ALERT_STATE.name, "yard", None))
    worker = go_on(stage)
    assert not worker.member.refused


def test_a_camera_is_refused_only_while_its_partition_is_here(stage: Stage) -> None:
    stage.bus.publish(Message(ALERT_STATE.name, "yard", later(state_of(stage, "yard"))))
    worker = go_on(stage)
    assert list(worker.member.refused) == ["yard"]
    home = partition_of("yard", stage.bus.partitions)
    worker.member._lose(frozenset({home + 1}))
    assert list(worker.member.refused) == ["yard"]
    worker.member._lose(frozenset({home}))
    assert not worker.member.refused


def test_a_damaged_state_is_put_aside_and_its_camera_begins_anew(stage: Stage) -> None:
    stage.bus.publish(Message(ALERT_STATE.name, "yard", b"nonsense"))
    go_on(stage)
    (letter,) = letters_of(stage)
    assert (letter.key, letter.value) == ("yard", b"nonsense")
    assert state_of(stage, "yard") not in (None, b"nonsense")
