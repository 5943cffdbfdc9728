"""Sliding windows see one event many times. Drawings: one column is a clip of two seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.alert import Alert, alert_id
from grounding.config import AlertSettings
from grounding.moment import Moment
from grounding.tracker import AlertTracker
from tests.grounding.worlds import SESSION, T0, query, told

QUERY = query("q0")
HOLD = 10.0
SETTLE = AlertSettings().settle_seconds


def moment(
    start: float,
    end: float,
    seen: float,
    score: float = 0.9,
    session: int = SESSION,
    version: int = 1,
    query_id: str = "q0",
) -> Moment:
    """Times in seconds from T0; `seen` is where the window's pictures end."""
    clips = range(int(max(0, seen - 150) // 2), int(seen // 2))
    return Moment(
        query_id=query_id,
        query_version=version,
        camera_id="yard",
        session=session,
        window_index=int(seen // 2) - 1,
        start=T0 + start,
        end=T0 + end,
        score=score,
        saliency=tuple((T0 + 2 * clip + 1.0, seen / 1000) for clip in clips),
        seen_until=T0 + seen,
    )


def update(
    tracker: AlertTracker, seen: float, *spans: tuple[float, ...], **fields: object
) -> list[Alert]:
    """One window that saw until `seen` and found the spans (start, end[, score])."""
    moments = [moment(span[0], span[1], seen, *span[2:], **fields) for span in spans]  # type: ignore[arg-type]
    return tracker.update(QUERY, "yard", T0 + seen, moments)


def tracker(**fields: object) -> AlertTracker:
    return AlertTracker(AlertSettings(**fields), "fake-bundle")  # type: ignore[arg-type]


def test_one_event_opens_grows_and_closes_once() -> None:
    # event         ####
    # window 1 [.....#]            opened
    # window 2 [.....###]          updated
    # window 3 [.....####..]       updated, settled
    # ...      silence             closed
    made = tracker()
    events = update(made, 12, (10, 12))
    events += update(made, 14, (10, 14))
    events += update(made, 22, (10, 17.5))
    events += update(made, 17.5 + HOLD + SETTLE - 0.1)
    assert told(events) == [
        ("q0", "opened", 10, 12),
        ("q0", "updated", 10, 14),
        ("q0", "updated", 10, 17.5),
    ]
    closed = update(made, 17.5 + HOLD + SETTLE)
    assert told(closed) == [("q0", "closed", 10, 17.5)]
    assert [alert.revision for alert in events + closed] == [1, 2, 3, 4]
    assert len({alert.alert_id for alert in events + closed}) == 1


def test_the_alert_says_what_it_is_about() -> None:
    made = AlertTracker(AlertSettings(), "fake-bundle")
    (opened,) = update(made, 12, (10, 12, 0.7))
    assert opened.alert_id == alert_id("q0", "yard", SESSION, 5)  # clip 5 begins at 10 s
    assert opened.event_id == f"{opened.alert_id}.1"
    assert (opened.query, opened.severity, opened.bundle) == ("axis 0", "warning", "fake-bundle")
    assert (opened.score, opened.at, opened.session) == (0.7, T0 + 12, SESSION)


def test_an_alert_closes_on_silence_too() -> None:
    made = tracker()
    update(made, 12, (10, 12))
    assert made.advance("yard", T0 + 12 + HOLD) == []
    assert made.active("yard") == {"q0"}
    assert told(made.advance("yard", T0 + 12 + HOLD + SETTLE)) == [("q0", "closed", 10, 12)]
    assert made.active("yard") == set()
    assert made.advance("yard", T0 + 1000) == []


def test_time_never_goes_back() -> None:
    made = tracker()
    update(made, 12, (10, 12))
    made.advance("yard", T0 + 20)
    assert made.advance("yard", T0 + 5) == []
    (closed,) = made.finish()
    assert closed.at == T0 + 20


def test_cameras_have_clocks_of_their_own() -> None:
    made = tracker()
    update(made, 12, (10, 12))
    assert made.advance("gate", T0 + 500) == []
    assert made.active("yard") == {"q0"}
    assert made.active("gate") == set()


def test_the_end_of_a_file_closes_what_is_open() -> None:
    made = tracker()
    update(made, 12, (10, 12))
    assert told(made.finish("gate")) == []
    assert told(made.finish()) == [("q0", "closed", 10, 12)]
    assert made.finish() == []


def test_moments_within_merging_are_one_alert() -> None:
    #  ###  ~9 s~  ###
    made = tracker()
    events = update(made, 14, (10, 14))
    events += update(made, 25, (10, 14), (23, 25))
    events += made.finish()
    assert told(events) == [
        ("q0", "opened", 10, 14),
        ("q0", "updated", 10, 25),
        ("q0", "closed", 10, 25),
    ]


def test_moments_further_apart_are_two_alerts() -> None:
    #  ###  ~11 s~  ###
    made = tracker()
    events = update(made, 14, (10, 14))
    events += update(made, 27, (10, 14), (25, 27))
    events += made.finish()
    opened = [alert for alert in events if alert.state == "opened"]
    assert [alert.start - T0 for alert in opened] == [10, 25]
    assert opened[0].alert_id != opened[1].alert_id


def test_a_chain_of_near_moments_in_one_window_is_one_alert_whatever_their_scores() -> None:
    made = tracker()
    events = update(made, 60, (26, 28, 0.95), (10, 12, 0.9), (18, 20, 0.6))
    assert told(events)[0] == ("q0", "opened", 10, 28)
    assert len({alert.alert_id for alert in events}) == 1


def test_two_old_events_found_at_once_are_two_alerts_with_two_ids() -> None:
    made = tracker()
    events = update(made, 100, (10, 12), (40, 42))
    assert [state for _, state, *_ in told(events)] == ["opened", "opened", "closed", "closed"]
    assert len({alert.alert_id for alert in events}) == 2


def test_merging_reaches_across_sessions_and_the_id_stays() -> None:
    # session 1 ....###|  reconnect  |###....
    later = SESSION + 18_000
    made = tracker()
    first = update(made, 14, (10, 14))
    second = update(made, 22, (19, 22), session=later)
    assert [alert.state for alert in first + second] == ["opened", "updated"]
    assert first[0].alert_id == second[0].alert_id
    assert second[0].session == SESSION


def test_a_told_event_is_not_told_again_by_later_windows() -> None:
    # closed     ####
    # window     [...####............]   still sees it, for 150 s
    made = tracker()
    update(made, 14, (10, 14))
    made.advance("yard", T0 + 40)
    assert update(made, 42, (10, 14)) == []
    assert update(made, 80, (9, 15)) == []
    assert update(made, 150, (11, 13)) == []
    assert made.dropped["repeated"] == 3
    assert made.active("yard") == set()


def test_what_outlasts_a_closed_alert_is_news_from_there_on() -> None:
    # closed     ####
    # window     [..##############]   one moment over both: only the rest is new
    made = tracker()
    (first,) = update(made, 14, (10, 14))
    made.advance("yard", T0 + 40)
    (opened,) = update(made, 42, (10, 42))
    assert (opened.state, opened.start - T0, opened.end - T0) == ("opened", 14, 42)
    assert opened.alert_id != first.alert_id


def test_two_alerts_never_share_an_id_though_they_begin_in_one_clip() -> None:
    made = tracker()
    (first,) = update(made, 12, (10, 10.5))
    made.advance("yard", T0 + 40)
    (second,) = update(made, 42, (10.6, 42))
    assert second.start - T0 == pytest.approx(10.6)
    assert first.alert_id != second.alert_id


def test_the_start_may_move_and_the_id_may_not() -> None:
    made = tracker()
    (opened,) = update(made, 14, (12, 14, 0.6))
    (updated,) = update(made, 16, (8, 16, 0.9))
    assert (updated.start - T0, updated.end - T0) == (8, 16)
    assert updated.alert_id == opened.alert_id


def test_boundaries_follow_the_best_recent_moment() -> None:
    made = tracker()
    update(made, 20, (10, 14, 0.9))
    assert update(made, 22, (8, 18, 0.6)) == []  # worse: it changes nothing
    (updated,) = update(made, 31, (8, 18, 0.6))  # the best one is no longer recent
    assert (updated.start - T0, updated.end - T0) == (8, 18)
    assert updated.score == 0.9  # the score is the best of its life


def test_a_running_event_grows_though_later_scores_are_lower() -> None:
    made = tracker()
    update(made, 14, (10, 14, 0.95))
    (grown,) = update(made, 16, (10, 16, 0.7))
    assert grown.end - T0 == 16
    (settled,) = update(made, 22, (10, 17.2, 0.8))
    assert settled.end - T0 == pytest.approx(17.2)


def test_an_alert_does_not_close_while_a_worse_but_newer_moment_speaks_for_it() -> None:
    made = tracker()
    update(made, 20, (10, 14, 0.9))
    update(made, 28, (10, 28, 0.6))
    assert made.advance("yard", T0 + 14 + HOLD + SETTLE) == []
    assert made.active("yard") == {"q0"}
    assert made.advance("yard", T0 + 28 + HOLD + SETTLE) != []


def test_an_alert_stays_open_while_its_event_runs() -> None:
    made = tracker()
    states = []
    for seen in range(12, 400, 2):
        states += [alert.state for alert in update(made, seen, (max(10, seen - 150), seen, 0.8))]
    assert states.count("opened") == 1
    assert "closed" not in states
    (closed,) = made.finish()
    assert closed.end - T0 == 398


def test_a_long_alert_keeps_its_start_after_it_has_left_the_window() -> None:
    made = tracker()
    for seen in range(12, 400, 2):  # pieces of 4 s every 8 s: one event by merging
        edge = seen - seen % 8
        update(made, seen, (edge - 4, edge, 0.8))
    (closed,) = made.finish()
    assert closed.start - T0 <= 10


def test_for_asks_events_to_last() -> None:
    made = tracker(for_seconds=6)
    assert update(made, 14, (10, 14)) == []
    assert made.active("yard") == {"q0"}  # a candidate passes the gate
    (opened,) = update(made, 16, (10, 16))
    assert (opened.state, opened.revision) == ("opened", 1)


def test_a_brief_candidate_is_dropped_and_counted() -> None:
    made = tracker(for_seconds=6)
    update(made, 14, (10, 14))
    assert made.advance("yard", T0 + 60) == []
    assert made.active("yard") == set()
    assert made.dropped["brief"] == 1


def test_keep_firing_for_holds_an_alert_open() -> None:
    made = tracker(keep_firing_for_seconds=60)
    update(made, 14, (10, 14))
    assert made.advance("yard", T0 + 14 + 59) == []
    events = update(made, 72, (70, 72))
    assert told(events) == [("q0", "updated", 10, 72)]


def test_the_version_that_opened_also_closes() -> None:
    made = tracker()
    first = update(made, 12, (10, 12), version=1)
    second = update(made, 14, (10, 14), version=2)
    third = made.finish()
    assert [alert.query_version for alert in first + second + third] == [1, 1, 1]


def test_small_changes_are_not_told() -> None:
    made = tracker()
    update(made, 20, (10, 14, 0.80))
    assert update(made, 22, (10.4, 14.3, 0.83)) == []
    (closed,) = made.finish()
    assert (closed.start - T0, closed.end - T0) == pytest.approx((10.4, 14.3))
    assert closed.score == 0.83


def test_the_curve_takes_the_latest_value_of_each_clip() -> None:
    made = tracker(saliency_context_seconds=2.0)
    update(made, 14, (10, 14))
    update(made, 16, (10, 14))
    (closed,) = made.finish()
    # The fake saliency of a window is seen / 1000. Clips' middles from 8 s to 16 s.
    assert [round(at - T0) for at, _ in closed.saliency] == [9, 11, 13, 15]
    assert {value for _, value in closed.saliency} == {0.016}


def test_queries_do_not_disturb_each_other() -> None:
    made = tracker()
    update(made, 12, (10, 12))
    other = made.update(query("q1"), "yard", T0 + 12, [moment(10, 12, 12, query_id="q1")])
    assert [alert.state for alert in other] == ["opened"]
    assert made.active("yard") == {"q0", "q1"}


def test_a_snapshot_goes_on_where_it_was() -> None:
    one, other = tracker(), tracker()
    update(one, 14, (10, 14))
    other.restore_camera("yard", one.camera_snapshot("yard"))
    rest = [(16, (10, 16)), (30, (10, 16)), (60, (10, 16))]
    assert [update(one, seen, span) for seen, span in rest] == [
        update(other, seen, span) for seen, span in rest
    ]
    assert one.camera_snapshot("yard") == other.camera_snapshot("yard")


def test_a_torn_snapshot_is_an_error_and_changes_nothing() -> None:
    made = tracker()
    update(made, 14, (10, 14))
    before = made.camera_snapshot("yard")
    with pytest.raises(msgspec.DecodeError):
        made.restore_camera("yard", before[:-1])
    assert made.camera_snapshot("yard") == before


def test_a_snapshot_holds_candidates_and_what_was_told() -> None:
    one, other = tracker(for_seconds=6), tracker(for_seconds=6)
    update(one, 60, (10, 18))
    one.advance("yard", T0 + 60)
    update(one, 62, (58, 62))
    assert one.active("yard") == {"q0"}
    other.restore_camera("yard", one.camera_snapshot("yard"))
    assert other.clock("yard") == T0 + 62
    (opened,) = update(other, 66, (10, 18), (58, 66))
    assert (opened.state, opened.start) == ("opened", T0 + 58)
    assert other.dropped["repeated"] == 1


def test_a_snapshot_takes_the_place_of_what_is_known_now() -> None:
    made = tracker()
    update(made, 14, (10, 14))
    before = made.camera_snapshot("yard")
    update(made, 50, (10, 14), (40, 50))
    made.restore_camera("yard", before)
    assert made.camera_snapshot("yard") == before
    assert tracker().camera_snapshot("yard") == b""
    made.restore_camera("yard", b"")
    assert made.camera_snapshot("yard") == b""


def test_a_camera_that_another_worker_goes_on_with_is_dropped_without_a_word() -> None:
    made = tracker()
    update(made, 14, (10, 14))
    made.drop("yard")
    made.drop("never-seen")
    assert made.active("yard") == set()
    assert made.finish() == []


def ask(tracker: AlertTracker, seen: float, *spans: tuple[float, float], **asked: object):
    """As `update`, for a query that asks for more than the settings do."""
    moments = [moment(start, end, seen) for start, end in spans]
    return tracker.update(query("q0", **asked), "yard", T0 + seen, moments)


def test_a_query_may_ask_events_to_last_longer() -> None:
    made = tracker(for_seconds=2)
    assert ask(made, 14, (10, 14), for_seconds=6) == []
    (opened,) = ask(made, 16, (10, 16), for_seconds=6)
    assert opened.state == "opened"
    assert update(tracker(for_seconds=6), 14, (10, 14)) == []  # nor less than the settings


def test_a_query_may_ask_for_longer_holding() -> None:
    made = tracker()
    ask(made, 14, (10, 14), keep_firing_for_seconds=60)
    assert made.advance("yard", T0 + 14 + 60) == []
    assert told(ask(made, 76, (73, 76), keep_firing_for_seconds=60)) == [("q0", "updated", 10, 76)]
    (closed,) = made.advance("yard", T0 + 76 + 60 + SETTLE)
    assert closed.state == "closed"
    assert ask(made, 180, (70, 76), keep_firing_for_seconds=60) == []  # still known as told


def test_what_a_query_asks_for_may_change_while_its_alert_lives() -> None:
    made = tracker()
    ask(made, 14, (10, 14), keep_firing_for_seconds=600)
    ask(made, 16, keep_firing_for_seconds=0)
    assert [alert.state for alert in made.advance("yard", T0 + 40)] == ["closed"]


def test_an_alert_goes_on_after_a_restart_under_its_id_and_revision() -> None:
    # session 1 ....###|  restart  |###....
    first = AlertTracker(AlertSettings(), "fake-bundle", keep_snapshots=True)
    opened, updated = (*update(first, 12, (10, 12)), *update(first, 14, (10, 14)))
    states = first.take_snapshots()
    assert set(states) == {opened.event_id, updated.event_id}
    again = tracker()
    assert again.restore_alerts([states[updated.event_id]]) == {"yard"}
    assert again.active("yard") == {"q0"}
    assert again.clock("yard") == T0 + 14
    (after,) = update(again, 22, (19, 22), session=SESSION + 18_000)
    assert (after.alert_id, after.revision, after.state) == (opened.alert_id, 3, "updated")
    assert (after.start - T0, after.end - T0, after.session) == (10, 22, SESSION)


def test_a_restored_alert_closes_on_silence_by_what_its_query_asked_for() -> None:
    first = AlertTracker(AlertSettings(), "fake-bundle", keep_snapshots=True)
    (opened,) = ask(first, 12, (10, 12), keep_firing_for_seconds=60)
    again = tracker()
    again.restore_alerts([first.take_snapshots()[opened.event_id]])
    assert again.advance("yard", T0 + 12 + 60) == []
    (closed,) = again.advance("yard", T0 + 12 + 60 + SETTLE)
    assert (closed.alert_id, closed.revision, closed.state) == (opened.alert_id, 2, "closed")


def test_each_event_has_the_state_right_after_it() -> None:
    made = AlertTracker(AlertSettings(), "fake-bundle", keep_snapshots=True)
    events = update(made, 100, (10, 12), (40, 42))  # both old: opened and closed at once
    assert [alert.state for alert in events] == ["opened", "opened", "closed", "closed"]
    states = made.take_snapshots()
    assert [bool(states[alert.event_id]) for alert in events] == [True, True, False, False]
    again = tracker()
    again.restore_alerts([states[events[0].event_id]])
    assert again.advance("yard", T0 + 100) == [events[2]]
    assert made.take_snapshots() == {}
    assert tracker().take_snapshots() == {}


def open_states() -> list[bytes]:
    """What a store holds of one open alert."""
    first = AlertTracker(AlertSettings(), "fake-bundle", keep_snapshots=True)
    update(first, 12, (10, 12))
    return list(first.take_snapshots().values())


def test_restoring_twice_is_restoring_once() -> None:
    again = tracker()
    states = open_states()
    again.restore_alerts(states)
    before = again.camera_snapshot("yard")
    again.restore_alerts(states)
    assert again.camera_snapshot("yard") == before
    assert len(again.finish()) == 1


def test_bytes_that_are_no_alert_restore_nothing() -> None:
    again = tracker()
    with pytest.raises(msgspec.DecodeError):
        again.restore_alerts([*open_states(), b"nonsense"])
    assert again.active("yard") == set()


def test_a_camera_that_is_gone_is_forgotten_once_its_alerts_are_over() -> None:
    made = tracker()
    update(made, 12, (10, 12))
    assert not made.forget("yard")
    made.advance("yard", T0 + 40)
    assert not made.forget("yard")  # later windows may still see what was told
    made.advance("yard", T0 + 400)
    assert made.forget("yard")
    assert made.camera_snapshot("yard") == b""
    assert made.clock("yard") < 0
    assert made.forget("never-seen")


def test_a_day_long_alert_stays_small_and_keeps_its_peaks() -> None:
    made = tracker()
    update(made, 12, (10, 12, 0.9))
    sizes = []
    for seen in range(14, 6_000, 2):
        (updated,) = update(made, seen, (max(10, seen - 150), seen, 0.8))
        sizes.append(len(updated.saliency))
    assert max(sizes) < 300
    assert updated.start - T0 == 10
    assert len(made.camera_snapshot("yard")) < 10_000
    middles = [at for at, _ in updated.saliency]
    assert middles == sorted(middles)
    assert middles[0] < T0 + 300  # coarse where it is old,
    assert max(b - a for a, b in pairwise(middles)) < 300
    assert [round(at - T0) for at in middles[-4:]] == [5_991, 5_993, 5_995, 5_997]  # but not here


def test_nothing_is_remembered_for_ever() -> None:
    made = tracker()
    update(made, 12, (10, 12))
    made.advance("yard", T0 + 40)
    before = len(made.camera_snapshot("yard"))
    made.advance("yard", T0 + 400)
    assert len(made.camera_snapshot("yard")) < before
    assert b"q0" not in made.camera_snapshot("yard")


# Properties. Windows slide over events; each window may find a shaken copy of what it sees.


@dataclass(frozen=True)
class Look:
    """What the window of one clip makes of an event."""

    found: bool
    shake: tuple[float, float]
    score: float


def look(drawn: bytes) -> Look:
    """Four drawn bytes: found or not, shake of start and end of up to 1.5 s, score."""
    found, start, end, score = drawn
    return Look(found % 2 == 1, (start / 85 - 1.5, end / 85 - 1.5), 0.5 + score / 510)


# 80 windows; bytes are drawn at once, where a list of lists would take most of the test's time
looks = st.binary(min_size=320, max_size=320).map(
    lambda drawn: [look(drawn[at : at + 4]) for at in range(0, 320, 4)]
)


def watch(made: AlertTracker, events: Sequence[tuple[float, float]], seen_by: list[Look]):
    told_events: list[Alert] = []
    for clip, look in enumerate(seen_by):
        seen = 2.0 * (clip + 1)
        spans = []
        for start, end in events:
            if look.found and start < seen:
                left = max(0.0, start + look.shake[0])
                right = min(seen, max(end + look.shake[1], left + 0.5))
                if right - left > 0.4:
                    spans.append((left, right, look.score))
        told_events += update(made, seen, *spans)
    return told_events + made.finish()


def lives(events: Sequence[Alert]) -> dict[str, list[Alert]]:
    by_id: dict[str, list[Alert]] = {}
    for alert in events:
        by_id.setdefault(alert.alert_id, []).append(alert)
    return by_id


@settings(max_examples=60)
@given(st.floats(0, 60), st.floats(0.5, 6), looks)
def test_one_event_is_one_alert_however_it_is_seen(
    start: float, length: float, seen_by: list[Look]
) -> None:
    end = start + length
    found = any(look.found and 2.0 * (clip + 1) >= start + 2.5 for clip, look in enumerate(seen_by))
    events = watch(tracker(), [(start, end)], seen_by)
    assert len(lives(events)) <= 1
    assert bool(events) or not found


@settings(max_examples=60)
@given(st.floats(0, 30), st.floats(0.5, 6), st.floats(HOLD + 4, 40), looks)
def test_two_events_further_apart_than_merging_are_two_alerts(
    start: float, length: float, pause: float, seen_by: list[Look]
) -> None:
    second = start + length + pause
    seen_by = [*seen_by[:-1], Look(True, (0.0, 0.0), 0.9)]  # in the end both are found
    events = watch(tracker(), [(start, start + length), (second, second + length)], seen_by)
    assert len(lives(events)) == 2


spans = st.tuples(st.floats(0, 150), st.floats(0.5, 60), st.floats(0.5, 1)).map(
    lambda span: (span[0], span[0] + span[1], span[2])
)
histories = st.lists(st.lists(spans, max_size=4), max_size=40)


def replay(history: list[list[tuple[float, float, float]]]) -> list[Alert]:
    made = tracker()
    events: list[Alert] = []
    for clip, found in enumerate(history):
        seen = 2.0 * (clip + 1)
        inside = [(min(a, seen - 0.5), min(b, seen), score) for a, b, score in found]
        events += update(made, seen, *inside)
    return events + made.finish()


@given(histories)
def test_every_life_is_opened_updated_closed_with_rising_revisions(history) -> None:
    for events in lives(replay(history)).values():
        states = [alert.state for alert in events]
        assert states[0] == "opened"
        assert states[-1] == "closed"
        assert set(states[1:-1]) <= {"updated"}
        assert [alert.revision for alert in events] == list(range(1, len(events) + 1))
        scores = [alert.score for alert in events]
        assert scores == sorted(scores)
        assert all(alert.start <= alert.end <= alert.at for alert in events)


@given(histories)
def test_the_same_input_gives_the_same_events(history) -> None:
    assert replay(history) == replay(history)


@given(histories, st.integers(0, 40))
def test_a_restart_from_a_snapshot_changes_nothing(history, crash: int) -> None:
    made, events = tracker(), []
    for clip, found in enumerate(history):
        if clip == crash:
            restarted = tracker()
            restarted.restore_camera("yard", made.camera_snapshot("yard"))
            made = restarted
        seen = 2.0 * (clip + 1)
        inside = [(min(a, seen - 0.5), min(b, seen), score) for a, b, score in found]
        events += update(made, seen, *inside)
    assert events + made.finish() == replay(history)
