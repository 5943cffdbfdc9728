"""Partitions, queries, cameras and clocks that change at the worst moment.

Drawings as in test_recovery.py.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from encoder.embedding import ClipEmbedding
from grounding.query import StandingQuery
from streamer.bus import ALERT_STATE, partition_of
from tests.grounding.mortal import (
    CONFIG,
    Driven,
    Life,
    Stage,
    draw,
    live_on,
    make_worker,
)
from tests.grounding.worlds import SESSION, T0, DetectorGraph, embedding, query, scene

LIVE = {"clock_source": "arrival"}


class InTheMidst(DetectorGraph):
    """Calls back in the midst of one of its runs."""

    def __init__(self, run: int, call: Callable[[], None]) -> None:
        super().__init__()
        self._left = run
        self._call = call

    def run(self, inputs):
        self._left -= 1
        if self._left == 0:
            self._call()
        return super().run(inputs)


@pytest.mark.parametrize("run", [1, 2, 4, 7, 11])
def test_partitions_that_go_in_the_midst_of_a_batch_are_evaluated_once(run: int) -> None:
    clips = [*draw("..##.........## .#|..##", "yard"), *draw("..###.......", "gate", axis=1)]
    expected = Stage(clips)
    expected.end()
    live_on(expected.bus, [])
    stage, life, taken = Stage(clips), Life(), []

    def take_away() -> None:
        """The group takes the worker for dead: another reads everything and goes again."""
        assert worker._member is not None
        worker._member._subscription._inner.close()  # type: ignore[attr-defined]
        other = Driven(stage.bus)
        other.settle()
        other.die()
        life.lose_next()
        taken.append(other)

    worker = make_worker(stage.bus, life, graph=InTheMidst(run, take_away))
    stage.end()
    worker.run(threading.Event())
    assert taken
    assert (stage.told(), stage.blind()) == (expected.told(), expected.blind())


class Said:
    """Queries that are changed by hand."""

    def __init__(self) -> None:
        self.new: Sequence[StandingQuery] | None = None

    def changes(self) -> tuple[StandingQuery, ...] | None:
        new, self.new = self.new, None
        return None if new is None else tuple(new)


def slow_down(worker: Driven, most: int = 5) -> None:
    """Its polls bring a few records at a time."""
    inner = worker.member._subscription._inner  # type: ignore[attr-defined]
    poll = inner.poll
    inner.poll = lambda timeout, wanted: poll(timeout, min(wanted, most))


def test_a_query_added_while_windows_are_filled_sees_only_what_comes_from_then_on() -> None:
    stage = Stage(draw(".#" + "." * 28, "yard", **LIVE), partitions=1)
    first = Driven(stage.bus)
    first.settle()
    first.die()
    before = stage.told()
    stage.show(list(draw("." * 36 + "##..", "yard", axis=1, **LIVE))[30:])
    said = Said()
    second = Driven(stage.bus, queries=(query("q0", 0),), changing=said)
    slow_down(second)
    second.turn()
    assert not second.member.ready
    assert second.worker.counts.windows == 0
    said.new = (query("q0", 0), query("q2", 1, effective_at=T0 + 60))
    second.settle()
    new = [alert for alert in stage.alerts() if alert.event_id not in before]
    assert second.worker.counts.windows == 10
    assert {(alert.query_id, round(alert.start - T0)) for alert in new} == {("q2", 72)}


def test_an_alert_keeps_the_version_that_fired_though_another_worker_knows_only_the_next() -> None:
    stage = Stage(draw("..##", "yard"), partitions=1)
    first = Driven(stage.bus)
    first.settle()
    first.die()
    stage.show(list(draw("..####" + "." * 14, "yard"))[4:])
    edited = query("q0", 1, version=2, effective_at=T0 + 30)
    second = Driven(stage.bus, queries=(edited,))
    second.settle()
    events = stage.alerts()
    assert {alert.query_version for alert in events} == {1}
    assert events[-1].state == "closed"
    stage.show(list(draw("." * 22 + "##...", "yard", axis=1))[20:])
    second.settle()
    assert stage.alerts()[-1].query_version == 2


def test_who_is_stopped_with_clips_still_waiting_closes_nothing() -> None:
    now = [T0 + 6]
    stage = Stage(draw(".##", "yard", **LIVE), partitions=1)
    worker = Driven(stage.bus, clock=lambda: now[0])
    worker.settle()
    stage.show(list(draw(".##" + "#" * 60, "yard", **LIVE))[3:])
    now[0] += 60
    worker.stop.set()
    worker.turn()
    assert {alert.state for alert in stage.alerts()} <= {"opened", "updated"}


def test_while_many_clips_wait_a_poll_that_brings_few_silences_nobody() -> None:
    now = [T0 + 6]
    stage = Stage(draw(".##", "yard", **LIVE), partitions=1)
    worker = Driven(stage.bus, clock=lambda: now[0])
    worker.settle()
    slow_down(worker, most=1)
    now[0] += 60
    stage.show(draw("." * 40, "gate", **LIVE))
    worker.turn()
    assert "closed" not in {alert.state for alert in stage.alerts()}
    worker.settle()
    worker.turn()
    assert stage.alerts()[-1].state == "closed"


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_is_set_silences_no_camera(hours: int) -> None:
    now, steady = [T0 + 6], [500.0]
    stage = Stage(draw(".##", "yard", **LIVE), partitions=1)
    clocks = {"clock": lambda: now[0], "steady": lambda: steady[0]}
    worker = Driven(stage.bus, config=replace(CONFIG, tick_seconds=1.0), **clocks)
    worker.settle()
    now[0] += 3600 * hours
    steady[0] += 2
    stage.show(list(draw(".###", "yard", **LIVE))[3:])
    worker.turn()
    assert "closed" not in {alert.state for alert in stage.alerts()}
    assert set(worker.member.cameras) == {"yard"}
    now[0] -= 3600 * hours
    for _ in range(3):
        now[0] += 10
        steady[0] += 10
        worker.turn()
    assert stage.alerts()[-1].state == "closed"


def test_a_camera_deleted_while_its_alert_is_open_leaves_nothing_behind() -> None:
    now = [T0 + 6]
    stage = Stage(draw(".##", "yard", **LIVE), partitions=1)
    states = stage.bus.subscribe(ALERT_STATE.name)
    worker = Driven(stage.bus, clock=lambda: now[0])
    worker.settle()
    for _ in range(100):  # no more clips come: nobody says so
        now[0] += 10
        worker.turn()
    assert [alert.state for alert in stage.alerts()][-1] == "closed"
    assert [record.value for record in states.poll(0.0)][-1] is None
    assert not worker.member.cameras
    grounder = worker.worker._grounder
    assert grounder.camera_state("yard") is None
    assert grounder.windows.mark("yard").rows is None
    ((start, end),) = stage.blind()["yard", "stream"]
    assert start == T0 + 6
    assert end <= T0 + 6 + CONFIG.forget_seconds - CONFIG.backlog_grace_seconds


def test_of_a_camera_that_nobody_could_evaluate_nothing_is_kept() -> None:
    now = [T0]
    foreign = embedding(0, camera_id="gate", clock_source="arrival")
    object.__setattr__(foreign, "space_id", "other")
    stage = Stage([foreign, *draw("..", "yard", **LIVE)], partitions=1)
    worker = Driven(stage.bus, clock=lambda: now[0])
    worker.settle()
    assert set(worker.worker._hearing._heard) == {"yard"} == set(worker.member.cameras)


def visit(start: float, camera_id: str = "yard") -> list[ClipEmbedding]:
    """A session of two clips that begins so many seconds after T0."""
    return scene("..", camera_id=camera_id, session=SESSION + round(1000 * start), **LIVE)


def _let_it_be_forgotten(worker: Driven, now: list[float]) -> None:
    for _ in range(13):
        now[0] += 50
        worker.turn()
    assert "yard" not in worker.member.cameras


def test_the_absence_of_a_camera_outlives_a_clip_that_is_put_aside() -> None:
    now = [T0 + 4]
    stage = Stage(visit(0), partitions=1)
    worker = Driven(stage.bus, clock=lambda: now[0])
    worker.settle()
    _let_it_be_forgotten(worker, now)
    stage.blind()
    first, second = visit(3000)
    object.__setattr__(first, "vector", first.vector * float("nan"))
    grounder = worker.worker._grounder
    evaluate = grounder.evaluate

    def refuse(clips, lag_seconds=0.0):
        alerts = evaluate(clips, lag_seconds)
        if any(clip.index == 0 for clip in clips):
            raise RuntimeError("no")
        return alerts

    grounder.evaluate = refuse  # type: ignore[method-assign]
    stage.show([first, second])
    worker.settle()
    assert [end - T0 for _, end in stage.blind()["yard", "stream"]] == [3000]
    assert len(stage.letters.poll(0.0)) == 1


def test_a_commit_that_is_lost_forgets_who_is_gone() -> None:
    # Meanwhile others may have watched them: what is told of their absence might be wrong.
    now = [T0 + 4]
    stage = Stage(visit(0), partitions=1)
    worker = Driven(stage.bus, clock=lambda: now[0])
    worker.settle()
    _let_it_be_forgotten(worker, now)
    assert worker.worker._grounder.gone == {"yard"}
    worker.member.drop_all()
    assert worker.worker._grounder.gone == frozenset()


def test_of_the_cameras_that_are_gone_those_of_the_lost_partitions_are_somebody_else_s() -> None:
    now = [T0 + 4]
    cameras = [f"camera-{number}" for number in range(20)]
    stage = Stage([clip for camera in cameras for clip in visit(0, camera)])
    worker = Driven(stage.bus, clock=lambda: now[0])
    worker.settle()
    for _ in range(13):
        now[0] += 50
        worker.turn()
    worker.member._lose(frozenset({1}))
    kept = {camera for camera in cameras if partition_of(camera, 3) != 1}
    assert worker.worker._grounder.gone == kept < set(cameras)
