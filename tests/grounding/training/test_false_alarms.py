import numpy as np
import pytest

from grounding.calibration import Calibration
from grounding.training.evaluate import evaluate_cases
from grounding.training.false_alarms import (
    StreamMoments,
    false_alarm_streams,
    measure_false_alarms,
    poisson_upper,
)
from grounding.training.fit_calibration import false_alarm_curve
from tests.grounding.training.cases import case
from tests.grounding.worlds import SETTINGS, DetectorGraph, calibration, vector


def look_alike(flags: str, **fields: object):
    """An absent stream whose clips `#` look like the event."""
    made = case("." * len(flags), **fields)
    for clip, flag in enumerate(flags):
        if flag == "#":
            made.sample.vectors[clip] = vector({0: 0.9})
    return made


def found(about, *moments: tuple[float, float, float]) -> StreamMoments:
    """Moments (start s, end s, log-odds); the calibration reads its third feature."""
    rows = np.array(moments, np.float64).reshape(-1, 3)
    features = np.zeros((len(rows), 7))
    features[:, 2] = rows[:, 2]
    return StreamMoments(about, rows[:, :2], features)


def plain(fold: int) -> Calibration:
    return calibration()


def test_long_streams_are_cut_into_whole_windows() -> None:
    graph = DetectorGraph()
    flags = "." * 70 + "###" + "." * 5 + "##" + "." * 90  # 170 clips: 75, 75, 20
    (made,) = false_alarm_streams(graph, [look_alike(flags)], SETTINGS)
    assert sorted(shape[1] for shape in graph.shapes) == [20, 76]
    np.testing.assert_allclose(made.moments, [[140, 146], [156, 160]], atol=1e-3)
    assert len(made.features) == 2


def test_a_short_stream_is_evaluated_as_a_case_is() -> None:
    about = look_alike("..##....")
    (made,) = false_alarm_streams(DetectorGraph(), [about], SETTINGS)
    (result,) = evaluate_cases(DetectorGraph(), [about], SETTINGS)
    np.testing.assert_array_equal(made.moments, result.windows[:, :2])
    np.testing.assert_array_equal(made.features, result.features)


def test_a_quiet_stream_counts_with_its_hours() -> None:
    (made,) = false_alarm_streams(DetectorGraph(), [case("." * 80)], SETTINGS)
    assert made.moments.shape == (0, 2)
    assert made.features.shape == (0, 7)
    assert measure_false_alarms([made], plain, least_hours=0).query_hours == 160 / 3600


def test_streams_that_show_the_event_are_refused() -> None:
    with pytest.raises(ValueError, match="'fall' is shown"):
        false_alarm_streams(DetectorGraph(), [case("..#")], SETTINGS)


def test_alarms_are_counted_per_query_hour() -> None:
    hour = case("." * 1800, groups=("a", "b"))
    streams = [
        found(hour, (0, 4, 0.0), (8, 9, 1.0), (100, 104, 0.0), (300, 304, -4.0)),
        found(case("." * 1800, groups=("b", "c"), concept="fight")),
    ]
    made = measure_false_alarms(streams, plain, thresholds=(0.9, 0.4, 0.01), least_hours=2)
    assert (made.query_hours, made.stream_hours, made.streams) == (2.0, 2.0, 2)
    assert (made.groups, made.concepts) == (3, 2)
    # the first two moments are 4 s apart: one alarm
    assert [(r.threshold, r.alarms, r.per_hour) for r in made.rates] == [
        (0.01, 3, 1.5),
        (0.4, 2, 1.0),
        (0.9, 0, 0.0),
    ]
    assert made.rates[-1].upper == pytest.approx(3 / 2, rel=0.01)
    assert made.rates[0].upper > made.rates[0].per_hour


def test_several_queries_on_one_stream_share_its_hours() -> None:
    stream = look_alike("." * 1800)
    made = measure_false_alarms([found(stream), found(stream)], plain, least_hours=0)
    assert (made.query_hours, made.stream_hours, made.streams) == (2.0, 1.0, 1)


def test_each_stream_is_judged_without_its_fold() -> None:
    asked: list[int] = []

    def calibration_for(fold: int) -> Calibration:
        asked.append(fold)
        return calibration()

    about = case("." * 10, groups=("room 7",))
    measure_false_alarms([found(about)], calibration_for, least_hours=0)
    assert asked == [about.fold]


def test_the_curve_is_what_the_calibration_takes() -> None:
    random = np.random.default_rng(0)
    about = case("." * 1800)
    moments = [(float(s), float(s) + 5, float(o)) for s, o in random.normal(100, 60, (40, 2))]
    moments = [(s, e, o / 60) for s, e, o in moments]
    made = measure_false_alarms([found(about, *moments)], plain, least_hours=0)
    stream = np.array([(s, e, calibration().probability(f[None])[0]) for s, e, f in rows(moments)])
    expected = false_alarm_curve([stream], 1.0, [rate.threshold for rate in made.rates])
    np.testing.assert_allclose(np.array(made.curve()), np.array(expected), rtol=0.01)
    assert calibration(false_alarms=made.curve()).threshold_for(24.0).threshold > 0


def rows(moments: list[tuple[float, float, float]]):
    for start, end, odds in moments:
        yield start, end, np.array([0, 0, odds, 0, 0, 0, 0], np.float64)


def test_too_few_hours_are_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.0 query-hours: at least 50"):
        measure_false_alarms([found(case("." * 1800))], plain)
    with pytest.raises(ValueError, match=r"0\.0 query-hours"):
        measure_false_alarms([], plain, least_hours=0)


def test_poisson_bounds_of_textbooks() -> None:
    assert poisson_upper(0, 1.0) == pytest.approx(2.9957, abs=1e-3)
    assert poisson_upper(1, 1.0) == pytest.approx(4.7439, abs=1e-3)
    assert poisson_upper(5, 10.0) == pytest.approx(1.0513, abs=1e-3)
