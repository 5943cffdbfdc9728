"""Whatever happens to workers, the same is told: each event once, as if nothing had happened.

Drawings: `#` the event, `.` nothing, ` ` a missing clip, `|` a new session.
"""

import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from encoder.embedding import ClipEmbedding
from streamer.bus import ALERT_STATE, partition_of
from tests.grounding.mortal import CONFIG, Driven, Life, Stage, draw, live_on, make_worker

drawn = st.text(alphabet="##... |", min_size=1, max_size=24)
long_drawn = st.builds(
    lambda head, quiet, tail: head + "." * quiet + tail, drawn, st.integers(0, 90), drawn
)


@st.composite
def worlds(draw_: st.DrawFn, most: int = 3) -> list[ClipEmbedding]:
    """Clips of some cameras, each camera's in their order, mixed with the others'."""
    sources = [
        list(draw(flags, f"camera-{number}", axis=number % 2))
        for number, flags in enumerate(draw_(st.lists(long_drawn, min_size=1, max_size=most)))
    ]
    turns = [number for number, clips in enumerate(sources) for _ in clips]
    order = draw_(st.permutations(turns))
    streams = [iter(clips) for clips in sources]
    return [next(streams[number]) for number in order]


def undisturbed(clips: list[ClipEmbedding]) -> Stage:
    stage = Stage(clips)
    stage.end()
    live_on(stage.bus, [])
    return stage


def assert_same(stage: Stage, clips: list[ClipEmbedding]) -> None:
    expected = undisturbed(clips)
    assert stage.told() == expected.told()
    assert stage.blind() == expected.blind()


@settings(max_examples=15)
@given(worlds(), st.lists(st.integers(0, 60), max_size=2))
def test_a_killed_worker_is_not_noticed(clips: list[ClipEmbedding], calls: list[int]) -> None:
    stage = Stage(clips)
    stage.end()
    live_on(stage.bus, [Life(count) for count in calls])
    assert_same(stage, clips)


def test_no_point_is_a_bad_one_to_die_at() -> None:
    clips = [*draw("..##.........## .#|..##", "yard"), *draw("..###.......", "gate", axis=1)]
    expected = undisturbed(clips)
    told, blind = expected.told(), expected.blind()
    assert len(told) > 8
    assert blind
    life, calls = Life(0), 0
    while life.died:
        life = Life(calls)
        stage = Stage(clips)
        stage.end()
        live_on(stage.bus, [life])
        assert (stage.told(), stage.blind()) == (told, blind), calls
        calls += 1
    assert calls > 15


@settings(max_examples=10)
@given(worlds(), st.sets(st.integers(1, 20), max_size=6))
def test_a_lost_commit_is_not_noticed(clips: list[ClipEmbedding], lost: set[int]) -> None:
    name, labels = "watchword_commits_lost_total", {"stage": "grounding"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    stage = Stage(clips)
    stage.end()
    life = Life(lost=lost)
    live_on(stage.bus, [life])
    assert_same(stage, clips)
    counted = (REGISTRY.get_sample_value(name, labels) or 0) - before
    assert counted == len({one for one in lost if one <= life._commits})


STEPS = st.sampled_from(["turn", "turn", "turn", "join", "die", "show"])


@settings(max_examples=20)
@given(worlds(), st.lists(st.tuples(STEPS, st.integers(0, 5)), max_size=40))
def test_cameras_that_move_between_workers_are_not_noticed(
    clips: list[ClipEmbedding], steps: list[tuple[str, int]]
) -> None:
    stage = Stage(clips[: len(clips) // 2])
    rest = clips[len(clips) // 2 :]
    workers: list[Driven] = []
    for step, which in steps:
        if step == "show":
            stage.show(rest[: 4 * which])
            rest = rest[4 * which :]
        elif step == "join" and len(workers) < 3:
            workers.append(Driven(stage.bus))
        elif workers and step == "die":
            workers.pop(which % len(workers)).die()
        elif workers:
            workers[which % len(workers)].turn()
    stage.show(rest)
    stage.end()
    workers.append(Driven(stage.bus))
    while not all(worker.done for worker in workers):
        for worker in workers:
            worker.turn()
    assert_same(stage, clips)


def test_an_alert_that_moves_keeps_its_id_start_and_revision() -> None:
    stage = Stage(draw("...####", "yard"))
    first = Driven(stage.bus)
    first.settle()
    (opened, *_) = stage.alerts()
    first.die()
    stage.show(list(draw("...####" + "##" + "." * 12, "yard"))[7:])
    second = Driven(stage.bus)
    second.settle()
    events = stage.alerts()
    assert {(alert.alert_id, alert.start) for alert in events} == {(opened.alert_id, opened.start)}
    assert [alert.revision for alert in events] == list(range(1, len(events) + 1))
    assert events[-1].state == "closed"


def test_a_worker_goes_back_only_as_far_as_windows_reach() -> None:
    stage = Stage(draw("." * 200, "yard"), partitions=1)
    first = Driven(stage.bus)
    first.settle()
    first.die()
    second = Driven(stage.bus)
    second.turn()
    assert second.worker._grounder.windows.mark("yard").block is not None
    assert second.worker.counts.windows == 0
    taken = second.member._subscription
    assert taken.committed(0).offset == 200  # type: ignore[union-attr]


def test_a_camera_long_silent_does_not_hold_the_others_back() -> None:
    now = [0.0]
    stage = Stage(draw("....", "yard"), partitions=1)
    first = Driven(stage.bus, clock=lambda: now[0])
    first.settle()
    now[0] += 601
    first.turn()
    stage.show(draw("." * 100, "gate"))
    first.settle()
    note = first.member._subscription.committed(0).note  # type: ignore[union-attr]
    assert note == '{"rewind":29}'  # of 104 clips the newest 75


def test_two_workers_share_the_cameras_and_are_ready_once_they_agree() -> None:
    cameras = [f"camera-{number}" for number in range(12)]
    stage = Stage([clip for camera in cameras for clip in draw("..##.", camera)])
    first, second = Driven(stage.bus), Driven(stage.bus)
    assert not first.member.ready
    first.turn()
    second.turn()
    for worker in (first, second):
        worker.settle()
        assert worker.member.ready
    mine = {worker: worker.member._subscription.assigned for worker in (first, second)}
    assert mine[first] | mine[second] == frozenset(range(3))
    for worker, partitions in mine.items():
        homes = {camera for camera in cameras if partition_of(camera, 3) in partitions}
        assert set(worker.member._held.cameras) == homes


def test_a_part_that_fills_its_windows_is_not_ready() -> None:
    stage = Stage(draw("." * 600, "yard"), partitions=1)
    first = Driven(stage.bus)
    first.settle()
    first.die()
    stage.show(clip for clip in draw("." * 603, "yard") if clip.index >= 600)
    second = Driven(stage.bus)
    second.member._subscription._inner.poll = _slowly(second)  # type: ignore[attr-defined]
    ready = []
    for _ in range(30):
        second.turn()
        ready.append(second.member.ready)
    assert not ready[0]
    assert ready[-1]
    assert ready == sorted(ready)


def _slowly(worker: Driven):
    """A poll that gives a few records at a time."""
    poll = worker.member._subscription._inner.poll  # type: ignore[attr-defined]
    return lambda timeout, most: poll(timeout, min(most, 5))


def test_after_a_restart_nothing_closes_on_silence_before_the_backlog_is_read() -> None:
    now = [1_700_000_000.0]
    live = {"clock_source": "arrival"}
    stage = Stage(draw("...##", "yard", **live), partitions=1)
    first = Driven(stage.bus, clock=lambda: now[0])
    first.settle()
    first.die()
    now[0] += 3600
    stage.show(list(draw("...##" + "#" * 40, "yard", **live))[5:])
    second = Driven(stage.bus, clock=lambda: now[0])
    second.member._subscription._inner.poll = _slowly(second)  # type: ignore[attr-defined]
    while second.member.backlog:
        now[0] += 30
        second.turn()
    assert len({alert.alert_id for alert in stage.alerts()}) == 1
    assert "closed" not in {alert.state for alert in stage.alerts()}
    now[0] += 9
    second.turn()
    assert "closed" not in {alert.state for alert in stage.alerts()}
    now[0] += 2
    second.turn()
    assert stage.alerts()[-1].state == "closed"


def test_silence_counts_anew_once_the_backlog_is_read() -> None:
    now = [1_700_000_000.0]
    live = {"clock_source": "arrival"}
    stage = Stage([*draw("#", "gate", **live), *draw("#", "yard", **live)], partitions=1)
    first = Driven(stage.bus, clock=lambda: now[0])
    first.settle()
    first.die()
    stage.show(list(draw("#" * 40, "yard", **live))[1:])
    second = Driven(stage.bus, clock=lambda: now[0])
    second.member._subscription._inner.poll = _slowly(second)  # type: ignore[attr-defined]
    while second.member.backlog:  # what comes of the gate is perhaps still on its way
        now[0] += 30
        second.turn()
    assert "closed" not in {alert.state for alert in stage.alerts()}
    now[0] += 10
    second.turn()
    assert {alert.camera_id for alert in stage.alerts() if alert.state == "closed"} == {
        "gate",
        "yard",
    }


def test_whoever_lost_a_camera_tells_nothing_more_of_it() -> None:
    now = [1_700_000_000.0]
    homes = {partition_of(f"camera-{number}", 3): f"camera-{number}" for number in range(50)}
    cameras = list(homes.values())
    assert len(cameras) == 3
    clips = [clip for camera in cameras for clip in draw(".##", camera, clock_source="arrival")]
    stage = Stage(clips)
    first = Driven(stage.bus, clock=lambda: now[0])
    first.settle()
    second = Driven(stage.bus, clock=lambda: now[0])
    for worker in (first, second, first, second):
        worker.turn()
    now[0] += 60
    for worker in (first, second, first, second):
        worker.turn()
    events = stage.alerts()
    assert len({alert.event_id for alert in events}) == len(events)
    assert [alert.state for alert in events].count("closed") == len(cameras)
    kept = set(first.worker._grounder.tracker._cameras)
    assert kept == set(first.member._held.cameras) < set(cameras)


@pytest.mark.parametrize("resumable", [True, False])
def test_what_is_remembered_of_cameras_is_published_where_it_is_needed(resumable: bool) -> None:
    stage = Stage(draw(".##.", "yard"))
    stage.end()
    states = stage.bus.subscribe(ALERT_STATE.name)
    make_worker(stage.bus, config=replace(CONFIG, resumable=resumable)).run(threading.Event())
    assert {record.key for record in states.poll(0.0)} == ({"yard"} if resumable else set())
