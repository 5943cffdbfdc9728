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


def test_the_share_of_due_windows_that_were_evaluated() -> None:
    made = Coverage(Clock())
    made.note("yard", due=1, evaluated=1)
    assert made.ratio("yard") == 1.0
    made.note("yard", due=7, evaluated=1)  # six clips were missing before this one
    assert made.ratio("yard") == 0.25
    assert made.ratio("gate") is None


def test_only_the_last_hour_counts() -> None:
    clock = Clock()
    made = Coverage(clock)
    made.note("yard", due=10, evaluated=0)
    clock.now += HOUR / 2
    made.note("yard", due=10, evaluated=10)
    assert made.ratio("yard") == 0.5
    clock.now += HOUR / 2 + 60
    assert made.ratio("yard") == 1.0


def test_the_metric_comes_and_goes_with_its_camera() -> None:
    clock = Clock()
    made = Coverage(clock)
    made.note("coverage-yard", due=4, evaluated=3)
    made.note("coverage-gate", due=1, evaluated=1)
    made.tell()
    assert (told("coverage-yard"), told("coverage-gate")) == (0.75, 1.0)
    clock.now += HOUR - 120
    made.note("coverage-gate", due=1, evaluated=1)
    clock.now += 180
    made.tell()
    assert (told("coverage-yard"), told("coverage-gate")) == (None, 1.0)
    clock.now += 2 * HOUR
    made.tell()
    assert told("coverage-gate") is None


def test_memory_does_not_grow_with_windows_or_days() -> None:
    clock = Clock()
    made = Coverage(clock)
    for _ in range(3 * 24 * 60 * 2):
        made.note("yard", due=1, evaluated=1)
        clock.now += 30
    assert len(made._cameras["yard"]) <= SLOTS + 1


@given(st.lists(st.tuples(st.floats(0, 900), st.integers(1, 9), st.booleans()), max_size=60))
def test_a_ratio_lies_between_none_and_all(steps) -> None:
    clock = Clock()
    made = Coverage(clock)
    for seconds, due, whole in steps:
        clock.now += seconds
        made.note("yard", due, due if whole else 1)
        ratio = made.ratio("yard")
        assert ratio == pytest.approx(ratio)
        assert ratio is not None
        assert 0 < ratio <= 1
