import json
import math

import numpy as np
import pytest

from grounding.training.calibrate import calibrate
from grounding.training.false_alarms import StreamMoments, measure_false_alarms
from grounding.training.fit_calibration import FitSettings
from grounding.training.report import make_report
from tests.grounding.training.cases import answer, case, groups_of_folds

QUICK = FitSettings(l2=(1e-3,), folds=2)
CONCEPTS = ("fall", "fight", "fire")


def perfect_results():
    results = []
    random = np.random.default_rng(0)
    for group in groups_of_folds(3):
        for concept in CONCEPTS:
            for flags, height in (("...###..", 1.0), ("........", -1.0)):
                about = case(flags, groups=(group,), concept=concept, onset_age_clips=5.0)
                features = height + 0.1 * random.normal(size=(1, 7))
                moment = (6.0, 12.0, 0.5 + 0.4 * height)
                background = random.normal(size=4).astype(np.float32)
                results.append(answer(about, [moment], features, background))
    return results


def test_the_report_of_a_perfect_model() -> None:
    results = perfect_results()
    fitted = calibrate(results, QUICK)
    streams = [
        StreamMoments(case("." * 75, groups=(f"camera {k}",)), np.zeros((0, 2)), np.zeros((0, 7)))
        for k in range(1300)
    ]
    alarms = measure_false_alarms(streams, fitted.for_fold)
    made = make_report(results, fitted, alarms)
    assert (made.cases, made.present, made.groups) == (90, 45, 15)
    assert made.presence.overall.value == made.uncalibrated_presence.value == 1.0
    assert made.localisation.r1_at_07.value == 1.0
    assert made.localisation.boundaries.p90 == 0.0
    assert set(made.presence.background) == set(CONCEPTS)
    assert made.unseen == {}
    table = made.table()
    assert "R1@0.5" in table
    assert "54.2 query-hours" in table
    assert "presence AUC" in table
    json.dumps(made.as_dict(), allow_nan=False)


def test_held_out_concepts_count_apart() -> None:
    results = perfect_results()
    for row, result in enumerate(results):
        if result.case.concept == "fire":  # the detector never learned it, and is always wrong
            wrong = -result.features
            results[row] = answer(result.case, [(6, 12, 0.5)], wrong, result.background)
    fitted = calibrate(results, QUICK, held_out=("fire",))
    made = make_report(results, fitted, held_out=("fire",))
    assert made.unseen["fire"].value == 0.0
    assert made.presence.overall.value == 1.0
    assert "fire" not in made.presence.by_concept
    assert made.cases == 60
    assert "fire never trained on" in made.table()


def test_what_cannot_be_told_is_none_not_nan() -> None:
    results = perfect_results()
    made = make_report(results, calibrate(results, QUICK)).as_dict()
    assert made["presence"]["with_splices"]["value"] is None
    assert made["false_alarms"] is None
    assert made["presence"]["overall"]["value"] == 1.0


def test_a_model_that_does_not_beat_its_background_is_named() -> None:
    results = perfect_results()
    for result in results:
        result.background[0] = 50.0 * result.case.present
    made = make_report(results, calibrate(results, QUICK))
    assert math.isclose(made.presence.background["fall"].probe, 1.0)
    assert "NOT A RESULT" in made.table()


def test_only_absent_cases_make_no_report() -> None:
    results = perfect_results()
    fitted = calibrate(results, QUICK)
    with pytest.raises(ValueError, match="nothing to localise"):
        make_report(results, fitted, held_out=CONCEPTS)
