"""The accounts of the chaos tests find what they are there to find, in records written by hand."""

from pathlib import Path

import numpy as np
import pytest

from encoder.embedding import ClipEmbedding
from encoder.record import pack_embedding
from grounding.alert_state import CameraState, pack_alert_state
from grounding.blind import EVERY_QUERY, BlindPeriod, BlindReason, Covered, blind_message
from grounding.query_record import QueryRecord, pack_query
from streamer.bus import ALERT_STATE, BLIND, EMBEDDINGS, QUERIES, Message, Record, Topic
from streamer.memory_bus import MemoryBus
from tests.e2e.accounts import READ, Account, Windows
from tests.e2e.checks import check_cover, check_evaluated, check_time
from tests.e2e.ending import newest_embeddings

ONE, ANOTHER = "q1", "q2"


def clip(index: int, session: int = 0) -> ClipEmbedding:
    start = 2.0 * index
    vector = np.ones(4, np.float32) / 2
    return ClipEmbedding(
        "door", session, index, start, start + 2, start + 2, "s", vector, "arrival"
    )


def blind(
    start: float, end: float, reason: BlindReason = "lag", queries: tuple[str, ...] = EVERY_QUERY
) -> BlindPeriod:
    return BlindPeriod(camera_id="door", start=start, end=end, reason=reason, queries=queries)


def account(
    clips: list[ClipEmbedding], *periods: BlindPeriod, windows: tuple[Windows, ...] = ()
) -> Account:
    """What lies on the topics; each clip was published at its end, and covered by itself."""
    covered = [CameraState(camera_id="door", clock=one.end, covered=_covered(one)) for one in clips]
    values: dict[Topic, list[bytes | None]] = {
        EMBEDDINGS: [pack_embedding(one) for one in clips],
        ALERT_STATE: [pack_alert_state(state) for state in covered],
        BLIND: [blind_message(one).value for one in periods],
        QUERIES: [pack_query(QueryRecord(query_id=one, text=one)) for one in (ONE, ANOTHER)],
    }
    records = {
        topic.name: [
            Record(topic.name, 0, offset, "door", value, (), 2.0 * offset + 2)
            for offset, value in enumerate(values.get(topic, []))
        ]
        for topic in READ
    }
    return Account(Path(), records, windows)


def _covered(one: ClipEmbedding) -> Covered:
    return Covered(one.session, one.index, one.end)


GAP = [clip(0), clip(2)]


def test_each_second_is_shown_or_told_once() -> None:
    check_time(account(GAP, blind(2, 4)))


@pytest.mark.parametrize(
    ("periods", "said"),
    [
        ([], "-2.000 s too much"),
        ([blind(2, 4), blind(2, 4)], "2.000 s too much at 4"),
        ([blind(2, 4, queries=(ONE,))], "-2.000 s too much"),  # of the other one nothing is told
        ([blind(2, 4), blind(2, 4, queries=(ANOTHER,))], r"q2: \+2.000 s too much at 4"),
        ([blind(2, 4), blind(4, 6)], "2.000 s too much"),
        ([blind(2, 4), blind(0, 2, "overload"), blind(0, 2, "overload", (ONE,))], "q1: 2.000 s"),
        ([blind(2, 4), blind(2, 4, "overload")], "told twice"),
    ],
)
def test_time_that_does_not_add_up_is_found(periods: list[BlindPeriod], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_time(account(GAP, *periods))


def test_what_overload_left_out_lies_in_clips_once_for_each_query() -> None:
    told = [blind(0, 2, "overload", (ONE,)), blind(0, 1, "overload", (ANOTHER,))]
    check_time(account(GAP, blind(2, 4), *told))


def test_a_period_told_twice_is_no_cover() -> None:
    with pytest.raises(AssertionError, match="too much"):
        check_cover("door", [(0, 2), (4, 6), (2, 4), (2, 4)], (0, 6))


def test_windows_are_counted_since_grounding_was_started_last() -> None:
    clips = [clip(index) for index in range(4)]
    check_evaluated(account(clips, windows=(Windows(5.0, 2.0, 2.0, 0.0),)))
    check_evaluated(account(clips, windows=(Windows(1.0, 3.0, 2.0, 1.0), Windows(3.0, 1, 1, 0))))


@pytest.mark.parametrize(
    "counted",
    [
        Windows(0.0, 4.0, 3.0, 0.0),  # one was due and not evaluated
        Windows(0.0, 3.0, 3.0, 0.0),  # one was passed over, though its place was noted
        Windows(9.0, 0.0, 0.0, 0.0),  # nothing to be counted
    ],
)
def test_windows_that_were_left_are_found(counted: Windows) -> None:
    with pytest.raises(AssertionError):
        check_evaluated(account([clip(index) for index in range(4)], windows=(counted,)))


def test_repeats_and_what_came_too_late_are_not_due() -> None:
    clips = [clip(0, 1), clip(1, 1), clip(1, 1), clip(5, 0), clip(2, 1)]
    assert account(clips).due_since(0.0) == {("door", 1, 0), ("door", 1, 1), ("door", 1, 2)}


def test_the_last_clip_is_the_newest_that_can_be_read() -> None:
    bus = MemoryBus()
    values = [pack_embedding(clip(3)), pack_embedding(clip(1)), b"of another product"]
    bus.publish_all([Message(EMBEDDINGS.name, "door", value) for value in values])
    assert newest_embeddings(bus) == {"door": (0, 3)}
