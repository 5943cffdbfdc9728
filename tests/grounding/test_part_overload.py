"""A grounding part whose detector is far too slow for a while, on a clock of its own.

From second 40 to 240 it would need ten seconds for a second of its cameras.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from prometheus_client import REGISTRY

from encoder.embedding import ClipEmbedding
from grounding.alert import Alert
from grounding.blind import EVERY_QUERY, BlindPeriod, unpack_blind
from grounding.config import GroundingConfig, OverloadSettings
from grounding.counts import GroundingCounts
from grounding.query_record import Sensitivity
from grounding.record import unpack_alert
from streamer.bus import BLIND, Record
from tests.grounding.feed import Feed
from tests.grounding.timed import Time, TimedBus
from tests.grounding.worlds import T0, DetectorGraph, embedding

CAMERAS = [f"camera-{number}" for number in range(4)]
SLOW, FAST, END = 40.0, 240.0, 560.0  # seconds from T0
PAIR_SECONDS = 0.4  # of the slow detector
LIMIT = 10.0
# What every clip shows of what the queries ask for: logits 1.05, 0.7 and 0.05 where the gate opens
# at 0, and at 1 from step 1 on. No query is so easily content that it would raise an alert.
SHOWN = {0: 0.605, 1: 0.57, 2: 0.505}
NEVER = Sensitivity(threshold=1 - 1e-12)
QUERIES = {f"q{number:02}": number % 3 for number in range(12)}
EVENT = range(60, 64)  # clips of one camera, in the worst of it
STEPS = ("1", "2", "3")


class SlowGraph(DetectorGraph):
    """A detector that takes its time on each pair."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def run(self, inputs):
        slow = SLOW <= self._time.now - T0 < FAST
        self._time.now += len(inputs["video"]) * (PAIR_SECONDS if slow else 0.005)
        return super().run(inputs)


@dataclass(frozen=True)
class Run:
    """What came of it."""

    reads: Sequence[tuple[float, float]]  # seconds from T0, and how old was what was read
    alerts: Sequence[tuple[float, Alert]]  # and when it was told, in seconds from T0
    blind: Sequence[BlindPeriod]
    counts: GroundingCounts
    skipped: dict[str, float]
    step: float

    def lags(self, since: float, until: float) -> list[float]:
        return [lag for at, lag in self.reads if since <= at < until]


def shown(camera_id: str, index: int) -> ClipEmbedding:
    is_event = camera_id == CAMERAS[0] and index in EVENT
    return embedding(
        index, {3: 0.9} if is_event else SHOWN, camera_id=camera_id, clock_source="arrival"
    )


def run(overload: OverloadSettings | None) -> Run:
    """All of it, in the thread of the test."""
    time = Time()
    clips = [shown(camera, index) for index in range(round(END / 2)) for camera in CAMERAS]
    bus = TimedBus(clips, time)
    blind = bus.subscribe(BLIND.name)
    config = GroundingConfig(audit_every=0, overload=overload)
    feed = Feed(bus, SlowGraph(time), config, lambda: time.now)
    for query_id, axis in QUERIES.items():
        feed.arm(query_id, axis, sensitivity=NEVER)
    feed.arm("event", 3)
    before = {step: skipped(step) for step in STEPS}
    feed.part.run(feed.stop)
    told = feed.alerts.poll(0.0, 10_000)
    return Run(
        reads=[(at - T0, lag) for at, lag in bus.reads],
        alerts=[(one.published - T0, unpack_alert(one.value or b"")) for one in told],
        blind=[unpack_blind(one.value or b"") for one in all_of(blind)],
        counts=feed.part.counts,
        skipped={step: skipped(step) - before[step] for step in STEPS},
        step=REGISTRY.get_sample_value("watchword_overload_step") or 0.0,
    )


def all_of(subscription) -> list[Record]:
    found: list[Record] = []
    while records := subscription.poll(0.0):
        found += records
    return found


def skipped(step: str) -> float:
    name = "watchword_query_evaluations_skipped_total"
    return REGISTRY.get_sample_value(name, {"step": step}) or 0.0


@pytest.fixture(scope="module")
def relieved() -> Run:
    return run(OverloadSettings(limit_seconds=LIMIT, pairs=2))


def test_every_step_is_taken_and_all_are_taken_back(relieved: Run) -> None:
    assert min(relieved.skipped.values()) > 0
    assert relieved.step == 0
    ends = [period.end - T0 for period in relieved.blind]
    assert FAST < max(ends) < END - 60  # the last minute is evaluated in full


def test_what_is_left_out_is_told_as_overload_and_nothing_else_is_blind(relieved: Run) -> None:
    assert {period.reason for period in relieved.blind} == {"overload"}
    assert min(period.start for period in relieved.blind) >= T0 + SLOW - 2
    windows = sum(clips_of(one) for one in relieved.blind if one.queries == EVERY_QUERY)
    pairs = sum(
        clips_of(one) * len(one.queries) for one in relieved.blind if one.queries != EVERY_QUERY
    )
    every = len(QUERIES) + 1
    assert windows * every == relieved.skipped["3"]
    assert pairs == relieved.skipped["1"] + relieved.skipped["2"]
    assert relieved.counts.blind == windows
    assert relieved.counts.windows == len(CAMERAS) * END / 2
    assert relieved.counts.scope == (relieved.counts.windows - windows) * every


def clips_of(period: BlindPeriod) -> int:
    return round((period.end - period.start) / 2)


def test_each_second_of_a_camera_is_told_of_once_for_each_query(relieved: Run) -> None:
    for camera in CAMERAS:
        for query_id in QUERIES:
            told = sorted(
                (period.start, period.end)
                for period in relieved.blind
                if period.camera_id == camera and {query_id, "*"} & set(period.queries)
            )
            assert all(end <= start + 0.001 for (_, end), (start, _) in pairwise(told))


def test_freshness_holds_while_it_is_too_slow(relieved: Run) -> None:
    assert max(relieved.lags(0, SLOW)) < 3
    assert max(relieved.lags(0, END)) < 6 * LIMIT  # until the last step was taken
    assert max(relieved.lags(FAST - 60, END)) < 2 * LIMIT
    assert max(relieved.lags(FAST + 60, END)) < 3


def test_an_event_in_the_worst_of_it_is_one_alert_and_soon_told(relieved: Run) -> None:
    assert {alert.alert_id for _, alert in relieved.alerts} == {relieved.alerts[0][1].alert_id}
    at, opened = relieved.alerts[0]
    assert (opened.query_id, opened.state) == ("event", "opened")
    assert at - 2 * EVENT.start < 6 * LIMIT
    last = relieved.alerts[-1][1]
    assert last.state == "closed"
    assert (round(last.start - T0), round(last.end - T0)) == (2 * EVENT.start, 2 * EVENT.stop)


def test_who_may_leave_nothing_out_falls_behind_and_evaluates_everything() -> None:
    made = run(None)
    assert max(made.lags(FAST - 60, END)) > 100
    assert made.blind == []
    assert set(made.skipped.values()) == {0}
    assert made.counts.scope == made.counts.windows * (len(QUERIES) + 1)
