import numpy as np
import pytest

from grounding.training.localisation import measure_localisation
from tests.grounding.training.cases import answer, case


def test_a_perfect_model_has_no_boundary_error() -> None:
    results = [answer(case("..###..."), [(4, 10, 0.9)]), answer(case("#..."), [(0, 2, 0.9)])]
    made = measure_localisation(results)
    assert (made.r1_at_05.value, made.r1_at_07.value, made.mean_ap.value) == (1, 1, 1)
    ends = made.boundaries
    assert (ends.met, ends.median, ends.p90, ends.start_p90, ends.end_p90) == (1, 0, 0, 0, 0)


def test_errors_are_those_of_the_first_moment_that_meets_an_event() -> None:
    results = [
        answer(case("..#####..."), [(5, 14, 0.9), (4, 14, 0.8)]),  # start late by 1 s
        answer(case("..#####..."), [(4, 17, 0.9)]),  # end late by 3 s
        answer(case("#........."), [(10, 14, 0.9), (0, 2, 0.8)]),  # meets nothing
        answer(case(".........#"), []),
        answer(case(".........."), [(0, 20, 0.9)]),  # absent: not counted
    ]
    made = measure_localisation(results)
    assert made.boundaries.met == 0.5
    assert made.boundaries.median == pytest.approx(0.5)  # of 1, 0, 0, 3
    assert made.boundaries.start_median == pytest.approx(0.5)
    assert made.boundaries.end_median == pytest.approx(1.5)
    assert made.boundaries.end_p90 == pytest.approx(2.7)
    assert made.r1_at_05.value == 0.5
    assert made.r1_at_05.cases == 4


def test_each_moment_is_held_against_the_window_it_overlaps_most() -> None:
    made = measure_localisation([answer(case("##....####"), [(11, 20, 0.9)])])
    assert made.boundaries.start_median == 1.0
    assert made.boundaries.end_median == 0.0


def test_nothing_met_has_no_error() -> None:
    made = measure_localisation([answer(case("#..."), [])])
    assert made.boundaries.met == 0
    assert np.isnan(made.boundaries.median)


def test_without_present_cases_there_is_nothing_to_localise() -> None:
    with pytest.raises(ValueError, match="nothing to localise"):
        measure_localisation([answer(case("...."), [])])
