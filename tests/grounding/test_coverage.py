import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from grounding.coverage import HOUR, SLOTS, Coverage


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def told(camera_id: str) -> float | None:
    return REGISTRY.get_sample_value("watchword_query_coverage_ratio", {"camera": camera_id})


def test_the_share_of_owed_seconds_that_were_evaluated() -> None:
    made = Coverage(Clock())
    made.note("yard", owed=2.0, evaluated=2.0)
    assert made.ratio("yard") == 1.0
    made.note("yard", owed=6.0, evaluated=0.0)
    assert made.ratio("yard") == 0.25
    assert made.ratio("gate") is None


def test_what_a_part_of_the_queries_did_not_see_counts_in_part() -> None:
    made = Coverage(Clock())
    made.note("yard", owed=2.0, evaluated=2.0)
    made.note("yard", owed=0.0, evaluated=-0.5)
    assert made.ratio("yard") == 0.75


def test_only_the_last_hour_counts() -> None:
    clock = Clock()
    made = Coverage(clock)
    made.note("yard", owed=10, evaluated=0)
    clock.now += HOUR / 2
    made.note("yard", owed=10, evaluated=10)
    assert made.ratio("yard") == 0.5
    clock.now += HOUR / 2 + 60
    assert made.ratio("yard") == 1.0


def test_an_outage_that_is_over_counts_as_long_as_it_lies_in_the_last_hour() -> None:
    clock = Clock()
    made = Coverage(clock)
    made.note("yard", owed=5 * HOUR, evaluated=0)
    assert made.ratio("yard") == 0.0
    for _ in range(30):
        clock.now += 60
        made.note("yard", owed=60, evaluated=60)
    assert made.ratio("yard") == pytest.approx(0.5, abs=0.02)
    assert len(made._cameras["yard"]) <= SLOTS


def test_the_metric_comes_and_goes_with_its_camera() -> None:
    clock = Clock()
    made = Coverage(clock)
    made.note("coverage-yard", owed=4, evaluated=3)
    made.note("coverage-gate", owed=1, evaluated=1)
    made.tell()
    assert (told("coverage-yard"), told("coverage-gate")) == (0.75, 1.0)
    clock.now += HOUR - 120
    made.note("coverage-gate", owed=1, evaluated=1)
    clock.now += 180
    made.tell()
    assert (told("coverage-yard"), told("coverage-gate")) == (None, 1.0)
    clock.now += 2 * HOUR
    made.tell()
    assert told("coverage-gate") is None


def test_the_metric_of_a_camera_that_another_worker_has_is_taken_away() -> None:
    made = Coverage(Clock())
    made.note("coverage-lost", owed=4, evaluated=3)
    made.forget("coverage-lost")  # before it was told, and after
    made.note("coverage-lost", owed=4, evaluated=3)
    made.tell()
    assert told("coverage-lost") == 0.75
    made.forget("coverage-lost")
    made.forget("coverage-lost")
    assert told("coverage-lost") is None


def test_memory_does_not_grow_with_windows_or_days() -> None:
    clock = Clock()
    made = Coverage(clock)
    for _ in range(24 * 60 * 2):
        made.note("yard", owed=30, evaluated=30)
        clock.now += 30
    assert len(made._cameras["yard"]) <= SLOTS + 1


@given(st.lists(st.tuples(st.floats(0, 900), st.floats(0.1, 9000), st.floats(0, 1)), max_size=60))
def test_a_ratio_lies_between_none_and_all(steps) -> None:
    clock = Clock()
    made = Coverage(clock)
    for seconds, owed, share in steps:
        clock.now += seconds
        made.note("yard", owed, owed * share)
        ratio = made.ratio("yard")
        assert ratio is not None
        assert 0 <= ratio <= 1
