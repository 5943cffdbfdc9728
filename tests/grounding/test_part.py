"""The grounding part end to end on a bus in memory. Drawings: `#` the event, `.` nothing."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from encoder.config import EncoderConfig
from encoder.space import EmbeddingSpace
from encoder.worker import EncoderWorker
from grounding.alert import Alert
from grounding.alert_state import seed_messages, unpack_alert_state
from grounding.cloud_event import tracked_state
from grounding.record import unpack_alert
from grounding.schedule import Hours, Schedule
from streamer.bus import (
    ALERT_STATE,
    ALERTS,
    CLIPS,
    DEAD_LETTERS,
    EMBEDDINGS,
    QUERIES,
    TOPICS,
    Message,
)
from streamer.clip import Clip
from streamer.memory_bus import MemoryBus
from streamer.record import pack_clip
from tests.grounding.feed import WAIT, Feed
from tests.grounding.worlds import SESSION, SPACE, T0, DetectorGraph, grounder, query, scene, told


@pytest.fixture
def feed() -> Iterator[Feed]:
    made = Feed()
    yield made
    made.end()


def states(alerts: list[Alert], query_id: str = "q1") -> list[str]:
    return [alert.state for alert in alerts if alert.query_id == query_id]


def stored(feed: Feed) -> list[bytes]:
    """What a store would hold of alerts that are not closed: the state beside the newest event."""
    newest: dict[str, bytes] = {}
    for record in feed.records:
        alert = unpack_alert(record.value or b"")
        newest[alert.alert_id] = tracked_state(record.headers)
    return [state for state in newest.values() if state]


def test_a_query_added_while_running_is_watched_from_the_next_clip_on(feed: Feed) -> None:
    feed.start()
    feed.show("..........")
    feed.wait_for_windows(10)
    feed.arm("q1")
    feed.show("##......", first=10)
    alerts = feed.drain()
    assert told(alerts)[0] == ("q1", "opened", 20, 22)
    assert "closed" not in states(alerts)


def test_queries_that_were_there_first_are_watched_from_the_first_clip(feed: Feed) -> None:
    feed.arm("q1")
    feed.show("##" + "." * 12)
    assert not feed.part.ready
    feed.start()
    feed.wait_for(lambda: feed.part.ready, "ready")
    alerts = feed.drain()
    assert not feed.part.ready
    assert feed.part.name == "grounding"
    assert told(alerts)[-1] == ("q1", "closed", 0, 4)


def test_an_edited_query_is_watched_in_its_new_version_alone(feed: Feed) -> None:
    feed.arm("q1", axis=0)
    feed.start()
    feed.show(".##" + "." * 17)
    opened = feed.hear(1)
    feed.arm("q1", axis=1, version=2, effective_at=T0 + 40)
    feed.show("..##......", first=20, axis=0)  # what the first version was about
    feed.show("..##......", first=30, axis=1)
    alerts = opened + feed.drain()
    assert {alert.query_version for alert in alerts} == {1, 2}
    second = [alert for alert in alerts if alert.query_version == 2]
    assert told(second)[0][:3] == ("q1", "opened", 64)
    assert all(alert.end <= T0 + 40 for alert in alerts if alert.query_version == 1)


def test_clips_from_before_an_edit_are_still_compared_with_the_former_version(feed: Feed) -> None:
    feed.arm("q1", axis=0)
    feed.start()
    feed.show(".")
    feed.wait_for_windows(1)
    feed.arm("q1", axis=1, version=2, effective_at=T0 + 20)
    feed.show("..##...", first=1)  # waited on the bus while the query was edited
    alerts = feed.drain()
    assert [alert.query_version for alert in alerts][:1] == [1]


def test_until_the_new_text_is_encoded_the_former_version_goes_on(feed: Feed) -> None:
    feed.arm("q1", axis=0)
    feed.start()
    feed.say_query("q1", revision=2, version=2, text="another", effective_at=T0)
    feed.show(".##......")
    assert {alert.query_version for alert in feed.drain()} == {1}


@pytest.mark.parametrize("how", ["paused", "removed"])
def test_a_query_that_rests_opens_nothing_and_its_alert_closes(feed: Feed, how: str) -> None:
    feed.arm("q1")
    feed.arm("q2", axis=1)
    feed.start()
    feed.show(".##")
    opened = feed.hear(1)
    if how == "paused":
        feed.say_query("q1", revision=2, wanted="paused")
    else:
        feed.remove("q1")
    feed.show("#" * 20, first=3)
    feed.show(".##" + "." * 10, first=23, axis=1)
    alerts = opened + feed.drain()
    assert states(alerts)[-1] == "closed"
    assert {alert.alert_id for alert in alerts if alert.query_id == "q1"} == {opened[0].alert_id}
    assert max(alert.end for alert in alerts if alert.query_id == "q1") <= T0 + 8
    assert states(alerts, "q2")[-1] == "closed"


def test_scope_and_schedule_are_kept_while_running(feed: Feed) -> None:
    # T0 is 22:13:20 UTC on a Tuesday
    feed.arm("q1", cameras=("gate-*",))
    feed.arm("q2", schedule=Schedule(hours=(Hours(days=("wed",)),)))
    feed.arm("q3", schedule=Schedule(hours=(Hours(begin="22:00"),)))
    feed.start()
    feed.show(".##.....")
    assert {alert.query_id for alert in feed.drain()} == {"q3"}


def test_a_query_keeps_to_its_own_times(feed: Feed) -> None:
    feed.arm("q1", for_seconds=6.0)
    feed.arm("q2", keep_firing_for_seconds=60.0)
    feed.start()
    feed.show(".##" + "." * 20)
    alerts = feed.drain()
    assert states(alerts) == []
    assert "closed" not in states(alerts, "q2")


def test_at_the_end_open_alerts_stay_open(feed: Feed) -> None:
    feed.arm("q1")
    feed.start()
    feed.show(".##")
    assert set(states(feed.drain())) <= {"opened", "updated"}
    (state,) = feed.bus.subscribe(ALERT_STATE.name).poll(WAIT)
    assert unpack_alert_state(state.value or b"").camera_id == "yard"


def test_a_restart_goes_on_with_the_alert_under_its_id(feed: Feed) -> None:
    # ....###  killed and started again  ##.......
    feed.arm("q1")
    feed.start()
    feed.show("....###")
    before = feed.drain()
    again = Feed()
    for message in seed_messages(stored(feed)):
        again.bus.publish(message)
    again.arm("q1")
    again.start()
    again.show("##" + "." * 12, session=SESSION + 18_000)
    after = again.drain()
    again.end()
    assert {alert.alert_id for alert in before + after} == {before[0].alert_id}
    revisions = [alert.revision for alert in before + after]
    assert revisions == list(range(1, len(revisions) + 1))
    assert told(after)[-1] == ("q1", "closed", 8, 22)
    assert stored(again) == []


def test_after_a_restart_silence_closes_what_was_open(feed: Feed) -> None:
    feed.arm("q1")
    feed.start()
    feed.show("....###")
    before = feed.drain()
    again = Feed()
    for message in seed_messages(stored(feed)):
        again.bus.publish(message)
    again.now = T0 + 30
    again.start()
    again.wait_for(lambda: again.part.ready, "ready")
    again.now = T0 + 14 + 26
    (closed,) = again.hear(1)
    again.end()
    assert (closed.state, closed.alert_id) == ("closed", before[0].alert_id)
    assert closed.revision == len(before) + 1


def test_a_state_that_cannot_be_read_is_counted_and_harms_no_other(feed: Feed) -> None:
    name = "watchword_alert_states_unreadable_total"
    before = REGISTRY.get_sample_value(name) or 0.0
    feed.bus.publish(Message(ALERT_STATE.name, "gate", b"nonsense"))
    feed.bus.publish(Message(ALERT_STATE.name, "door", None))
    feed.arm("q1")
    feed.start()
    feed.show(".##...")
    assert feed.drain()
    assert REGISTRY.get_sample_value(name) == before + 1


def test_a_record_that_is_no_query_does_not_end_the_part(feed: Feed) -> None:
    letters = feed.bus.subscribe(DEAD_LETTERS.name)
    feed.start()
    feed.bus.publish(Message(QUERIES.name, "q0", b"nonsense"))
    feed.arm("q1")
    feed.show(".##...")
    assert feed.drain()
    assert [letter.key for letter in letters.poll(WAIT)] == ["q0"]


def test_stop_and_a_closed_bus_end_the_part() -> None:
    for how in ("stop", "close"):
        feed = Feed().start()
        feed.wait_for(lambda feed=feed: feed.part.ready, "ready")  # type: ignore[misc]
        feed.stop.set() if how == "stop" else feed.bus.close()
        feed.thread.join(WAIT)
        assert not feed.thread.is_alive()
        feed.end()


def test_the_share_of_evaluated_windows_is_told(feed: Feed) -> None:
    feed.start()
    feed.show("... .", camera_id="part-coverage")
    feed.wait_for_windows(5)
    feed.now += 5
    labels = {"camera": "part-coverage"}
    name = "watchword_query_coverage_ratio"
    feed.wait_for(lambda: REGISTRY.get_sample_value(name, labels) == 0.8, "the ratio")


class OneVector:
    """A video tower for which every clip shows the event."""

    space: EmbeddingSpace = SPACE
    best_batch = 4
    overlaps = False

    def encode(self, clips: np.ndarray) -> np.ndarray:
        return np.tile(scene("#")[0].vector, (len(clips), 1))


class Stuck(DetectorGraph):
    """A detector that is far too slow, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go = threading.Event(), threading.Event()

    def run(self, inputs):
        self.entered.set()
        assert self.go.wait(WAIT)
        return super().run(inputs)


def test_when_grounding_is_too_slow_cameras_drop_clips_and_nothing_grows() -> None:
    small = {CLIPS.name: 4, EMBEDDINGS.name: 6}
    topics = [replace(one, capacity=small.get(one.name, one.capacity)) for one in TOPICS]
    graph = Stuck()
    feed = Feed(MemoryBus(topics), graph)
    feed.arm("q1")
    feed.start()
    encoder = EncoderWorker(feed.bus, OneVector(), EncoderConfig(wait_seconds=0.0))
    thread = threading.Thread(target=encoder.run, args=(threading.Event(),), daemon=True)
    thread.start()
    dropped = 0
    shown = 300
    for index in range(shown):
        start = T0 + 2 * index
        pixels = np.zeros((4, 32, 32, 3), np.uint8)
        clip = Clip("yard", SESSION, index, start, start + 2, start + 2, pixels, "arrival")
        dropped += feed.bus.publish(
            Message(CLIPS.name, "yard", pack_clip(clip)), "drop_oldest", timeout=WAIT
        )
        if index == 0:
            assert graph.entered.wait(WAIT)
    # Held now: clips on the topic and in a batch, embeddings on theirs.
    assert shown - dropped <= 4 + 4 + 6 + 4
    assert dropped > 0
    graph.go.set()
    feed.bus.finish(CLIPS.name)
    alerts = feed.alerts
    while not alerts.finished:
        alerts.poll(WAIT)
    thread.join(WAIT)
    feed.thread.join(WAIT)
    counts = feed.part.counts
    assert counts.windows == shown  # what was dropped is due, and blind
    assert counts.blind == dropped
    feed.end()


# What the part tells is what the grounder tells for the same clips one by one.

drawn = st.text(alphabet="#.. ", min_size=1, max_size=30).map(lambda flags: "." + flags)


@settings(max_examples=10)
@given(st.lists(drawn, min_size=1, max_size=3))
def test_the_part_tells_what_one_walk_tells(cameras: list[str]) -> None:
    clips = [
        clip
        for number, flags in enumerate(cameras)
        for clip in scene(flags, axis=number % 2, camera_id=f"camera-{number}")
    ]
    alone = grounder([query("q1", 0), query("q2", 1)])
    expected = [alert for clip in clips for alert in alone.evaluate([clip])]
    feed = Feed()
    feed.arm("q1", 0)
    feed.arm("q2", 1)
    for number, flags in enumerate(cameras):
        feed.show(flags, axis=number % 2, camera_id=f"camera-{number}", clock_source="file")
    heard = feed.start().drain()
    feed.end()
    assert by_pair(heard) == by_pair(expected)
    assert {record.topic for record in feed.records} <= {ALERTS.name}


def by_pair(alerts: list[Alert]) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    pairs: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    for alert in alerts:
        values = [round(value, 3) for value in (alert.start, alert.end, alert.score, alert.at)]
        pairs.setdefault((alert.camera_id, alert.query_id), []).append(
            (alert.event_id, alert.state, *values)
        )
    return pairs
