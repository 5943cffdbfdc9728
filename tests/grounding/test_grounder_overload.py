"""What is left out at each step, and told as blind. Drawings as in test_grounder.py."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from encoder.embedding import ClipEmbedding
from grounding.blind import BlindPeriod
from grounding.config import GroundingConfig
from grounding.coverage import Coverage
from grounding.grounder import Grounder
from grounding.overload import NEWEST_OF, Overload, Relief
from grounding.query import StandingQuery
from grounding.tracker import AlertTracker
from tests.grounding.worlds import SETTINGS, T0, DetectorGraph, embedding, parts, query

STEP_1 = Relief(step=1, threshold_delta=1.0)
STEP_2 = Relief(step=2, threshold_delta=1.0, pairs=1)
STEP_3 = Relief(step=3, threshold_delta=1.0, pairs=1, newest_only=True)


class Always(Overload):
    """Stays where it is put."""

    def __init__(self, relief: Relief) -> None:
        super().__init__(None)
        self.relief = relief


def overloaded(
    relief: Relief,
    queries: Sequence[StandingQuery],
    coverage: Coverage | None = None,
    **given_parts: object,
) -> Grounder:
    config = GroundingConfig(audit_every=1)
    tracker = AlertTracker(config.alerts, "fake-bundle")
    made = Grounder(parts(**given_parts), tracker, config, coverage, Always(relief))  # type: ignore[arg-type]
    made.watch(queries)
    return made


def clips(*cosines: dict[int, float], **fields: object) -> list[ClipEmbedding]:
    """A live camera's clips by what they show; the gate's logit is 10 cos - 5, it opens at 0."""
    given_fields = {"clock_source": "arrival"} | fields
    return [embedding(index, cos, **given_fields) for index, cos in enumerate(cosines)]  # type: ignore[arg-type]


def periods(made: Grounder) -> list[tuple[str, tuple[str, ...], float, float]]:
    return [(one.reason, one.queries, one.start - T0, one.end - T0) for one in made.take_blind()]


def skipped(step: int) -> float:
    labels = {"step": str(step)}
    return REGISTRY.get_sample_value("watchword_query_evaluations_skipped_total", labels) or 0.0


FAINT, CLEAR, BRIGHT = 0.55, 0.7, 0.9  # logits 0.5, 2 and 4


def test_at_step_1_what_barely_passes_the_gate_is_left_out_and_told() -> None:
    before = skipped(1)
    made = overloaded(STEP_1, [query("q0", 0), query("q1", 1)])
    events = made.evaluate(clips({}, {0: FAINT}, {}, {}, {}, {1: BRIGHT}))
    assert {alert.query_id for alert in events} == {"q1"}
    # the faint clip is among the newest three of three windows
    assert periods(made) == [("overload", ("q0",), 2, 8)]
    assert skipped(1) == before + 3


def test_at_step_1_nothing_is_audited() -> None:
    shut = msgspec.structs.replace(SETTINGS, gate_threshold=100.0)
    made = overloaded(STEP_1, [query()], settings=shut)
    made.evaluate(clips({0: BRIGHT}, {0: BRIGHT}))
    assert made.counts.detector == 0
    assert periods(made) == []


def test_at_step_2_the_most_salient_pairs_of_a_window_are_evaluated() -> None:
    before = skipped(1), skipped(2)
    made = overloaded(STEP_2, [query("q0", 0), query("q1", 1), query("q2", 2)])
    made.evaluate(clips({0: 0.605, 1: 0.61, 2: 0.505}))
    assert (made.counts.gate, made.counts.detector) == (1, 1)
    assert made.tracker.active("yard") == {"q1"}
    assert periods(made) == [("overload", ("q0", "q2"), 0, 2)]
    assert (skipped(1), skipped(2)) == (before[0] + 1, before[1] + 1)


def test_a_pair_with_an_open_alert_is_never_left_out() -> None:
    made = overloaded(STEP_2, [query("q0", 0), query("q1", 1), query("q2", 2)])
    made.evaluate(clips({0: BRIGHT}))
    assert made.tracker.active("yard") == {"q0"}
    made.take_blind()
    more = clips({}, {0: FAINT, 1: CLEAR}, {0: FAINT, 1: CLEAR})[1:]
    events = made.evaluate(more)
    assert {alert.query_id for alert in events} == {"q0"}
    assert periods(made) == [("overload", ("q1",), 2, 6)]


def test_at_step_3_the_newest_window_of_each_camera_shows_what_the_older_ones_saw() -> None:
    before = skipped(3)
    made = overloaded(STEP_3, [query("q0", 0), query("q1", 1, cameras=("gate",))])
    event = clips({}, {0: BRIGHT}, {0: BRIGHT}, {})
    other = clips({}, {}, camera_id="gate")
    events = made.evaluate([*event[:2], *other, *event[2:]])
    assert [alert.state for alert in events] == ["opened"]
    assert (events[0].start - T0, events[0].end - T0) == (2, 6)
    told = made.take_blind()
    assert {(one.camera_id, one.start - T0, one.end - T0) for one in told} == {
        ("yard", 0, 6),
        ("gate", 0, 2),
    }
    assert {(one.reason, one.queries) for one in told} == {("overload", ("*",))}
    assert skipped(3) == before + 3 + 2  # two queries watch the gate
    assert (made.counts.windows, made.counts.blind) == (6, 4)


def test_where_no_query_watches_nothing_is_missed() -> None:
    made = overloaded(STEP_3, [query(cameras=("gate",))])
    made.evaluate(clips({}, {}, {}))
    assert periods(made) == []
    assert made.counts.blind == 0


def test_missing_clips_are_told_beside_what_is_left_out() -> None:
    made = overloaded(STEP_3, [query()])
    some = clips({}, {}, {}, {})
    made.evaluate([some[0], some[2], some[3]])
    assert sorted(periods(made), key=lambda one: one[2]) == [
        ("overload", ("*",), 0, 2),
        ("lag", ("*",), 2, 4),
        ("overload", ("*",), 4, 6),
    ]


@pytest.mark.parametrize("relief", [STEP_1, STEP_2, STEP_3])
def test_of_files_nothing_is_left_out(relief: Relief) -> None:
    queries = [query("q0", 0), query("q1", 1)]
    film = clips(*[{0: FAINT, 1: 0.6}] * 12, clock_source="file")
    made, free = overloaded(relief, queries), overloaded(Relief(), queries)
    assert made.evaluate(film) == free.evaluate(film)
    assert periods(made) == []


def test_coverage_takes_the_share_of_queries_that_was_left_out() -> None:
    coverage = Coverage(lambda: T0)
    queries = [query(f"q{axis}", axis) for axis in range(4)]
    made = overloaded(STEP_1, queries, coverage)
    made.evaluate(clips({1: FAINT}))
    assert coverage.ratio("yard") == 0.75
    made = overloaded(STEP_3, queries, coverage := Coverage(lambda: T0))
    made.evaluate(clips({}, {}, {}, {}))
    assert coverage.ratio("yard") == 0.25


def test_more_is_read_at_once_where_only_the_newest_counts() -> None:
    assert overloaded(STEP_2, []).records_wanted(16) == 16
    assert overloaded(STEP_3, []).records_wanted(16) == NEWEST_OF
    assert overloaded(STEP_3, []).records_wanted(1000) == 1000


def test_who_falls_behind_takes_a_step_tells_what_is_left_out_and_returns_to_normal() -> None:
    now = 0.0

    class SlowGraph(DetectorGraph):
        """Four seconds for a pair, where a clip lasts two."""

        def run(self, inputs):
            nonlocal now
            now += 4.0 * len(inputs["video"])
            return super().run(inputs)

    config = GroundingConfig(audit_every=0)
    overload = Overload(config.overload, lambda: now)
    tracker = AlertTracker(config.alerts)
    made = Grounder(parts(graph=SlowGraph()), tracker, config, overload=overload)
    made.watch([query("q0", 0, threshold=1 - 1e-12), query("q1", 1)])
    blind: list[BlindPeriod] = []
    for index, clip in enumerate(clips(*[{0: FAINT}] * 20)):
        now = max(now, clip.end - T0)
        made.evaluate([clip], lag_seconds=now - (clip.end - T0))
        step = overload.step
        blind += made.take_blind()
        assert blind == [] or index > 3
    assert step == 1
    assert {(one.reason, one.queries) for one in blind} == {("overload", ("q0",))}
    assert blind[-1].end == clip.end
    for _ in range(90):
        now += 1.0
        made.tick(T0 + now)
    assert overload.step == 0


flags = st.text(alphabet="#f. ", min_size=1, max_size=30)


@settings(max_examples=25)
@given(flags, st.integers(1, 12), st.sampled_from([STEP_1, STEP_2, STEP_3]))
def test_each_second_is_evaluated_or_told_for_each_query(
    drawn: str, batch: int, relief: Relief
) -> None:
    coverage = Coverage(lambda: T0)
    made = overloaded(relief, [query("q0", 0), query("q1", 1)], coverage)
    cosines = {"#": {0: BRIGHT}, "f": {1: FAINT}, ".": {}}
    shown = [
        clip
        for clip, flag in zip(clips(*[cosines.get(flag, {}) for flag in drawn]), drawn, strict=True)
        if flag != " "
    ]
    blind: list[BlindPeriod] = []
    for first in range(0, len(shown), batch):
        made.evaluate(shown[first : first + batch])
        blind += made.take_blind()
    whole = [one for one in blind if one.queries == ("*",)]
    some = [one for one in blind if one.queries != ("*",)]
    seen = [set(range(round(one.start - T0), round(one.end - T0))) for one in whole]
    assert sum(map(len, seen)) == len(set().union(*seen))  # nothing twice
    for one in some:
        times = set(range(round(one.start - T0), round(one.end - T0)))
        assert not times & set().union(*seen)
    if shown:
        owed = shown[-1].end - T0
        lost = sum(one.end - one.start for one in whole)
        lost += sum((one.end - one.start) * len(one.queries) / 2 for one in some)
        assert coverage.ratio("yard") == pytest.approx(1 - lost / owed)
