import numpy as np
import pytest

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.export import saliency_parameters
from grounding.sgdetr.model import SGDETR
from grounding.training.evaluate import OPEN_VOCABULARY
from grounding.training.judge import _event_auc, _gate, detector_settings, zero_shot_aucs
from tests.grounding.training.cases import answer, case


def with_local(flags: str, local: list[float]) -> object:
    from dataclasses import replace

    return replace(answer(case(flags), []), local_saliency=np.array(local, np.float32))


def test_the_gate_lets_the_wanted_share_of_events_pass() -> None:
    present = [with_local(".#.", [9.0, float(best), 9.0]) for best in range(101)]
    absent = [with_local("..", [1.0, 3.0])]
    threshold, passes = _gate([*present, *absent], recall=0.98)
    assert threshold == pytest.approx(2.0)
    assert passes == pytest.approx(0.5)


def test_only_clips_inside_the_event_count_for_its_recall() -> None:
    threshold, _ = _gate([with_local("#..", [-1.0, 9.0, 9.0]), with_local(".", [0.0])], 1.0)
    assert threshold == pytest.approx(-1.0)


def test_the_event_auc_leaves_out_open_vocabulary() -> None:
    results = [
        answer(case(".#"), [(2.0, 4.0, 0.9)]),
        answer(case(".."), [(0.0, 2.0, 0.1)]),
        answer(case("..", concept=OPEN_VOCABULARY), [(0.0, 2.0, 0.99)]),
    ]
    assert _event_auc(results) == 1.0


def test_detector_settings_come_from_the_weights() -> None:
    model = SGDETR(SGDETRConfig.live())
    settings = detector_settings(model, gate_threshold=-4.0)
    assert (settings.saliency_scale, settings.saliency_bias) == saliency_parameters(model)
    assert settings.gate_threshold == -4.0


def test_zero_shot_aucs_are_told_by_concept_where_they_can_be() -> None:
    results = [
        answer(case(".#", concept="fire"), [(2.0, 4.0, 0.9)]),
        answer(case("..", concept="fire"), [(0.0, 2.0, 0.1)]),
        answer(case(".#", concept="fall"), [(2.0, 4.0, 0.9)]),  # never absent: cannot be told
        answer(case(".#", concept=OPEN_VOCABULARY), [(2.0, 4.0, 0.9)]),
    ]
    assert zero_shot_aucs(results) == {"fire": 1.0}
