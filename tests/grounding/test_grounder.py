"""The walk from embeddings to alerts. Drawings: `#` the event, `.` nothing, ` ` a missing clip."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from encoder.embedding import ClipEmbedding
from encoder.errors import ForeignSpaceError
from grounding.alert import Alert
from grounding.config import AlertSettings
from grounding.coverage import Coverage
from grounding.grounder import Grounder
from grounding.query import StandingQuery
from grounding.schedule import Hours, Schedule
from tests.grounding.worlds import (
    SESSION,
    SETTINGS,
    T0,
    embedding,
    grounder,
    query,
    scene,
    text,
    told,
)

NEVER = 1.0 - 1e-12


def watched(flags: str, made: Grounder | None = None) -> list[Alert]:
    made = made or grounder([query()])
    return made.evaluate(scene(flags)) + made.finish()


def test_an_event_is_found_with_its_start_and_end() -> None:
    # clip      0 1 2 3 4 5 6 7 8 9
    events = watched(".....##.........")
    assert told(events)[-1] == ("q0", "closed", 10, 14)
    assert [alert.state for alert in events].count("opened") == 1
    assert {alert.bundle for alert in events} == {"fake-bundle"}


def test_nothing_happens_on_an_empty_road() -> None:
    assert watched("." * 40) == []


def test_the_saliency_curve_rises_over_the_event() -> None:
    closed = watched(".....##.........")[-1]
    curve = {round(at - T0): value for at, value in closed.saliency}
    assert min(curve[11], curve[13]) > 0.9
    assert max(curve[1], curve[7], curve[17]) < 0.1


def test_two_events_are_two_alerts() -> None:
    events = watched("..##..........##......")
    assert [alert.state for alert in events].count("opened") == 2
    assert len({alert.alert_id for alert in events}) == 2


def test_an_event_over_the_end_of_a_file_ends_with_it() -> None:
    made = grounder([query()])
    clips = [*scene("....#"), embedding(5, {0: 0.9}, seen=0.8)]
    closed = (made.evaluate(clips) + made.finish())[-1]
    assert closed.end - T0 == pytest.approx(10.8)


def test_a_file_of_one_short_clip_is_watched() -> None:
    made = grounder([query()])
    events = made.evaluate([embedding(0, {0: 0.9}, seen=0.5)]) + made.finish()
    assert told(events) == [("q0", "opened", 0, 0.5), ("q0", "closed", 0, 0.5)]


def test_a_higher_threshold_is_kept() -> None:
    assert watched("..##....", grounder([query(threshold=NEVER)])) == []


def test_queries_are_told_apart() -> None:
    made = grounder([query("q0", 0), query("q1", 1)])
    events = made.evaluate(scene("...##.......", axis=1)) + made.finish()
    assert {alert.query_id for alert in events} == {"q1"}


def test_scope_keeps_a_query_to_its_cameras() -> None:
    queries = [query("q0", cameras=("gate-*",)), query("q1", cameras=("yard", "x"))]
    made = grounder(queries)
    events = made.evaluate(scene("..##.....")) + made.finish()
    assert {alert.query_id for alert in events} == {"q1"}
    assert made.counts.scope == 9


def test_a_negative_that_fits_better_takes_the_moment_away() -> None:
    both = [embedding(index, {0: 0.6, 1: 0.7} if index in (2, 3) else {}) for index in range(10)]
    plain, doubted = grounder([query()]), grounder([query(negatives=(text(1),))])
    assert plain.evaluate(both)
    assert doubted.evaluate(both) == []
    assert doubted.counts.contradicted > 0


def test_the_gate_saves_the_detector_from_empty_windows() -> None:
    made = grounder([query(f"q{axis}", axis) for axis in range(4)])
    made.evaluate(scene("." * 40))
    assert (made.counts.gate, made.counts.detector) == (0, 0)
    assert (made.counts.windows, made.counts.scope) == (40, 160)


def test_an_open_alert_passes_the_gate_until_it_closes() -> None:
    # event at clips 2, 3: open until about 8 s + merging 10 s + settling 6 s, the end of clip 11
    made = grounder([query()], window_batch=1)
    made.evaluate(scene("..##" + "." * 30))
    assert made.counts.gate in (10, 11)  # clips 2 to 11 or 12


def test_missing_clips_are_blind_and_counted() -> None:
    made = grounder([query()])
    made.evaluate(scene("..   .. .."))
    assert (made.counts.windows, made.counts.blind, made.counts.blind_seconds) == (10, 4, 8.0)


def test_an_event_beside_a_gap_is_found() -> None:
    events = watched("....##  .......")
    assert told(events)[-1] == ("q0", "closed", 8, 12)


def test_repeated_clips_change_nothing() -> None:
    once, twice = grounder([query()]), grounder([query()])
    clips = scene("...##........")
    doubled = [clip for clip in clips for _ in range(2)]
    assert once.evaluate(clips) + once.finish() == twice.evaluate(doubled) + twice.finish()


def test_a_reconnect_keeps_the_alert() -> None:
    made = grounder([query()])
    first = made.evaluate(scene("...##"))
    later = made.evaluate(scene("#......", session=SESSION + 14_000)) + made.finish()
    assert {alert.alert_id for alert in later} == {alert.alert_id for alert in first}
    assert told(later)[-1] == ("q0", "closed", 6, 16)


def test_clips_of_an_older_session_are_fenced_and_counted() -> None:
    made = grounder([query()])
    made.evaluate(scene("..", session=SESSION + 10_000))
    before = sample("watchword_embeddings_ignored_total", reason="fenced")
    assert made.evaluate(scene("###")) == []
    assert sample("watchword_embeddings_ignored_total", reason="fenced") == before + 3


def test_a_foreign_vector_is_refused_before_anything_is_taken_in() -> None:
    made = grounder([query()])
    clips = scene("..##")
    object.__setattr__(clips[3], "space_id", "other-space")
    with pytest.raises(ForeignSpaceError, match="other-space"):
        made.evaluate(clips)
    assert made.counts.windows == 0


def test_a_live_camera_closes_on_silence_and_a_file_does_not() -> None:
    live, file = grounder([query()]), grounder([query()])
    live.evaluate(scene("..##", clock_source="arrival"))
    file.evaluate(scene("..##"))
    assert live.tick(T0 + 8 + 25) == []  # within grace, merging and settling
    assert told(live.tick(T0 + 8 + 26)) == [("q0", "closed", 4, 8)]
    assert file.tick(T0 + 1000) == []


def test_time_goes_on_only_for_cameras_that_are_silent() -> None:
    made = grounder([query()])
    for camera in ("yard", "gate"):
        made.evaluate(scene("..##", clock_source="arrival", camera_id=camera))
    closed = made.tick(T0 + 1000, silent=["gate", "unknown"])
    assert [(alert.camera_id, alert.state) for alert in closed] == [("gate", "closed")]
    assert [alert.camera_id for alert in made.tick(T0 + 1000)] == ["yard"]


def test_a_live_camera_that_is_gone_is_forgotten() -> None:
    made = grounder([query()])
    made.evaluate(scene("..##", clock_source="arrival"))
    made.evaluate(scene("....", camera_id="film"))
    assert not made.forget("yard")  # its alert is not over
    made.tick(T0 + 1000)
    made.tick(T0 + 2000)
    assert made.forget("yard")
    assert not made.forget("yard")
    assert not made.forget("film")  # a file is not watched by the clock on the wall
    assert made.tick(T0 + 3000) == []
    assert made.evaluate(scene("..##"))  # it may come back


def test_a_version_holds_from_the_first_window_that_ends_when_it_is_effective() -> None:
    # clips end at 2, 4, 6, 8 ...; the second version is effective at 8
    made = grounder([query(until=T0 + 8), query(axis=1, version=2, effective_at=T0 + 8)])
    made.evaluate(scene("......", clock_source="arrival"))
    assert made.counts.scope == 6  # never both
    early = grounder([query(until=T0 + 8), query(axis=1, version=2, effective_at=T0 + 8)])
    events = early.evaluate(scene("..#.......", clock_source="arrival")) + early.finish()
    assert {alert.query_version for alert in events} == {1}
    late = grounder([query(until=T0 + 8), query(axis=1, version=2, effective_at=T0 + 8)])
    assert late.evaluate(scene("......#...", clock_source="arrival")) == []
    events = late.evaluate(scene("..........#....", axis=1, clock_source="arrival")[10:])
    assert {alert.query_version for alert in events} == {2}


def test_an_alert_goes_on_over_a_change_of_version_and_keeps_the_one_that_opened_it() -> None:
    made = grounder([query(until=T0 + 8), query(version=2, effective_at=T0 + 8)])
    events = made.evaluate(scene("..####....", clock_source="arrival")) + made.finish()
    assert {alert.alert_id for alert in events} == {events[0].alert_id}
    assert {alert.query_version for alert in events} == {1}
    assert told(events)[-1] == ("q0", "closed", 4, 12)


def test_of_a_film_the_newest_version_holds_whenever_it_was_filmed() -> None:
    made = grounder([query(until=T0 + 1000), query(axis=1, version=2, effective_at=T0 + 1000)])
    events = made.evaluate(scene("..#.......", axis=1)) + made.finish()
    assert made.counts.scope == 10
    assert {alert.query_version for alert in events} == {2}


def test_a_film_of_which_nothing_more_comes_closes_at_its_own_time_and_is_not_blind() -> None:
    made = grounder([query()])
    made.evaluate(scene(".##"))
    made.evaluate(scene(".##", camera_id="gate"))
    (closed,) = made.finish_films(["yard", "nowhere"])
    assert (closed.camera_id, closed.state) == ("yard", "closed")
    assert (closed.end - T0, closed.at - T0) == (pytest.approx(6), pytest.approx(6))
    assert made.finish_films(["yard"]) == []
    assert made.tick(T0 + 10_000) == []
    assert made.take_blind() == []


def test_what_comes_of_a_film_after_its_end_is_watched_as_usual() -> None:
    made = grounder([query()])
    clips = scene(".##" + "." * 20 + "##")
    made.evaluate(clips[:5])
    made.finish_films(["yard"])
    late = made.evaluate(clips[5:]) + made.finish_films(["yard"])
    assert [told([one])[0][1:3] for one in late if one.state != "updated"] == [
        ("opened", 46),
        ("closed", 46),
    ]


def test_a_film_that_is_over_is_forgotten_and_read_again_tells_the_same_events() -> None:
    clips = scene("..##..........##......##")
    made = grounder([query()])
    first = made.evaluate(clips) + made.finish_films(["yard"])
    assert made.evaluate(clips) == []  # still known
    assert made.forget("yard")
    again = made.evaluate(clips) + made.finish_films(["yard"])
    assert [one.event_id for one in again] == [one.event_id for one in first]
    assert made.take_blind() == []


def test_a_film_read_again_from_its_beginning_tells_the_same_events() -> None:
    # Killed in the midst of the last event, whose alert was kept; then the film is read again
    flags = "..##..........##......####" + "." * 90
    whole = grounder([query()])
    first = whole.evaluate(scene(flags)) + whole.finish()
    before = grounder([query()])
    before.evaluate(scene(flags[:24]))
    state = before.camera_state("yard")
    assert state is not None
    again = grounder([query()])
    again.restore_camera(state)
    assert again.tracker.active("yard")
    events = again.evaluate(scene(flags)) + again.finish()
    assert [one.event_id for one in events] == [one.event_id for one in first]


def test_what_a_film_left_open_under_another_start_still_closes() -> None:
    before = grounder([query()])
    (opened, *_) = before.evaluate(scene(".##", session=SESSION + 3_600_000))
    state = before.camera_state("yard")
    assert state is not None
    made = grounder([query()])
    made.restore_camera(state)
    events = made.evaluate(scene("..##......................"))
    assert [one.state for one in events if one.alert_id != opened.alert_id][-1] == "closed"
    (closed,) = made.finish_films(["yard"])
    assert (closed.alert_id, closed.state) == (opened.alert_id, "closed")


def test_outside_its_hours_a_query_rests() -> None:
    # T0 is 22:13:20 UTC; clip 20 is the first to end at 22:14
    night = Schedule(hours=(Hours(begin="22:14", end="23:00"),))
    made = grounder([query(schedule=night)])
    assert made.evaluate(scene("..##" + "." * 14)) == []
    assert made.counts.scope == 0
    made.evaluate(scene("." * 26)[18:])
    assert made.counts.scope == 7  # windows 19 to 25


def test_coverage_counts_missing_clips_as_due() -> None:
    coverage = Coverage(lambda: T0)
    made = grounder([query()], coverage=coverage)
    made.evaluate(scene("..   .. .."))
    assert coverage.ratio("yard") == 0.6
    made.tick(T0)
    assert sample("watchword_query_coverage_ratio", camera="yard") == 0.6


def test_without_queries_clips_are_still_taken_in() -> None:
    made = grounder([])
    assert made.evaluate(scene("..##")) == []
    made.watch([query()])
    events = made.evaluate(scene("....##..")[4:])
    assert events[0].start - T0 == pytest.approx(4)  # the window remembers what came before


def test_no_clips_no_alerts() -> None:
    assert grounder([query()]).evaluate([]) == []


def test_audits_feed_metrics_and_never_alerts() -> None:
    shut = msgspec.structs.replace(SETTINGS, gate_threshold=100.0)
    made = grounder([query()], audit_every=1, settings=shut)
    missed = sample("watchword_gate_audits_total", outcome="missed")
    agreed = sample("watchword_gate_audits_total", outcome="agreed")
    assert made.evaluate(scene("..##")) == []
    assert sample("watchword_gate_audits_total", outcome="missed") == missed + 2
    assert sample("watchword_gate_audits_total", outcome="agreed") == agreed + 2
    assert (made.counts.gate, made.counts.detector) == (0, 4)


def test_alerts_and_stages_are_counted() -> None:
    before = sample("watchword_alerts_total", severity="warning", state="opened")
    gate = sample("watchword_query_evaluations_total", stage="gate")
    watched("...##.....")
    assert sample("watchword_alerts_total", severity="warning", state="opened") == before + 1
    assert sample("watchword_query_evaluations_total", stage="gate") > gate


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# Many windows at once must give what one by one gives.

flags = st.text(alphabet="#.. ", min_size=1, max_size=40)


def streams(drawn: list[str]) -> list[ClipEmbedding]:
    """One camera each, their clips interleaved as they would come in."""
    cameras = [
        scene(flags, axis=number % 2, camera_id=f"camera-{number}")
        for number, flags in enumerate(drawn)
    ]
    return sorted((clip for camera in cameras for clip in camera), key=lambda clip: clip.index)


def queries() -> list[StandingQuery]:
    return [query("q0", 0), query("q1", 1), query("q2", 0, threshold=0.99), query("q3", 2)]


@settings(max_examples=20)
@given(st.lists(flags, min_size=1, max_size=3), st.integers(2, 16), st.sampled_from([0.0, 5.0]))
def test_batches_give_the_alerts_of_one_by_one(
    drawn: list[str], batch: int, for_seconds: float
) -> None:
    rules = AlertSettings(for_seconds=for_seconds)
    clips = streams(drawn)
    slow = grounder(queries(), rules, window_batch=1)
    fast = grounder(queries(), rules, window_batch=batch)
    one_by_one = [alert for clip in clips for alert in slow.evaluate([clip])] + slow.finish()
    together = fast.evaluate(clips) + fast.finish()
    assert by_pair(together) == by_pair(one_by_one)
    assert fast.counts.gate == slow.counts.gate
    assert fast.counts.detector >= slow.counts.detector


def by_pair(alerts: list[Alert]) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    """What subscribers of each (camera, query) are told, in order, floats to the millisecond."""
    pairs: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    for alert in alerts:
        values = [round(value, 3) for value in (alert.start, alert.end, alert.score, alert.at)]
        curve = [(round(at, 3), round(value, 3)) for at, value in alert.saliency]
        told_now = (alert.event_id, alert.state, *values, curve)
        pairs.setdefault((alert.camera_id, alert.query_id), []).append(told_now)
    return pairs


@settings(max_examples=20)
@given(flags)
def test_every_event_of_the_drawing_is_in_an_alert(drawn: str) -> None:
    closed = [alert for alert in watched(drawn) if alert.state == "closed"]
    for index in np.flatnonzero([flag == "#" for flag in drawn]):
        middle = T0 + 2.0 * index + 1.0
        assert any(alert.start <= middle <= alert.end for alert in closed)
