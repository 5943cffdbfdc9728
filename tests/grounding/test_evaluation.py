import json
import os
from pathlib import Path

import numpy as np
import pytest

from grounding.evaluation import Prediction, Truth, evaluate, read_predictions, read_truths

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("WATCHWORD_SHARED", ROOT / "../shared")) / "data"
ANNOTATIONS = DATA / "annotations/qvhighlights/highlight_val_release.jsonl"


def prediction(query_id: int, windows: list[list[float]], saliency: list[float] | None = None):
    scores = None if saliency is None else np.array(saliency, np.float64)
    return Prediction(query_id, np.array(windows, np.float64).reshape(-1, 3), scores)


def truth(query_id: int, windows: list[list[float]], saliency: list[list[float]] | None = None):
    marks = np.array(saliency if saliency is not None else [[0, 0, 0]] * 5, np.float64)
    return Truth(query_id, np.array(windows, np.float64).reshape(-1, 2), marks)


@pytest.mark.skipif(not ANNOTATIONS.is_file(), reason="published predictions are not here")
@pytest.mark.parametrize("run", ["moment_detr", "qd_detr"])
def test_published_predictions_have_the_published_numbers(run: str) -> None:
    found = read_predictions(DATA / f"predictions/{run}_val.jsonl")
    published = json.loads((DATA / f"predictions/{run}_val_metrics.json").read_text())
    assert evaluate(found, read_truths(ANNOTATIONS)) == published


def test_a_perfect_answer_has_100_per_cent_everywhere() -> None:
    marks = [[0, 0, 0], [4, 4, 4], [4, 4, 4], [0, 0, 0], [0, 0, 0]]
    found = [prediction(1, [[2, 6, 0.9]], [-1, 3, 2, -1, -2])]
    metrics = evaluate(found, [truth(1, [[2, 6]], marks)])
    assert set(metrics["full"]["MR-mAP"].values()) == {100.0}
    assert set(metrics["full"]["MR-R1"].values()) == {100.0}
    assert metrics["HL-min-VeryGood"] == {"HL-mAP": 100.0, "HL-Hit1": 100.0}
    assert metrics["brief"]["MR-short-mAP"] == 100.0


def test_length_splits_leave_queries_out_and_their_windows_too() -> None:
    found = [prediction(1, [[0, 10, 0.9], [20, 60, 0.8]]), prediction(2, [[0, 40, 0.9]])]
    truths = [truth(1, [[0, 10], [20, 60]]), truth(2, [[0, 40]])]
    metrics = evaluate(found, truths)
    assert metrics["short"]["MR-mAP"]["0.95"] == 100.0  # query 1 alone, its first window alone
    assert metrics["long"]["MR-R1"]["0.5"] == 50.0  # query 1's first window is the short one
    assert metrics["long"]["MR-mAP"]["0.5"] == 75.0  # found at rank 2, and at rank 1
    assert metrics["middle"] == {"MR-mAP": {}, "MR-R1": {}}
    assert metrics["brief"]["MR-middle-mAP"] is None


def test_hit_at_1_needs_one_annotator_and_very_good_needs_a_4() -> None:
    marks = [[2, 0, 0], [0, 3, 0], [0, 0, 4], [0, 0, 0], [0, 0, 0]]
    found = [prediction(1, [[0, 4, 0.5]], [0, 9, 1, 0, 0])]
    metrics = evaluate(found, [truth(1, [[0, 4]], marks)])
    assert metrics["HL-min-Fair"]["HL-Hit1"] == 100.0
    assert metrics["HL-min-Good"]["HL-Hit1"] == 100.0
    assert metrics["HL-min-VeryGood"]["HL-Hit1"] == 0.0
    # annotators: none, none, and one whose only clip has rank 2
    assert metrics["HL-min-VeryGood"]["HL-mAP"] == pytest.approx(100 * 0.5 / 3, abs=0.01)


def test_a_top_clip_beyond_the_video_hits_nothing() -> None:
    marks = [[4, 4, 4]] * 2
    found = [prediction(1, [[0, 4, 0.5]], [0, 0, 9])]
    metrics = evaluate(found, [truth(1, [[0, 4]], marks)])
    assert metrics["HL-min-Fair"] == {"HL-mAP": 100.0, "HL-Hit1": 0.0}


def test_without_saliency_there_are_no_highlight_numbers() -> None:
    metrics = evaluate([prediction(1, [[0, 4, 0.5]])], [truth(1, [[0, 4]])])
    assert not any(name.startswith("HL") for name in (*metrics, *metrics["brief"]))


def test_both_sides_must_hold_the_same_queries() -> None:
    found = [prediction(1, [[0, 4, 0.5]])]
    with pytest.raises(ValueError, match=r"\[2\] are not answered, \[1\] were not asked"):
        evaluate(found, [truth(2, [[0, 4]])])
    with pytest.raises(ValueError, match="once each"):
        evaluate(found * 2, [truth(1, [[0, 4]])])


def test_a_query_without_windows_is_named() -> None:
    with pytest.raises(ValueError, match=r"without any window .* \[1\]"):
        evaluate([prediction(1, [])], [truth(1, [[0, 4]])])


def test_files_are_read_as_they_are_published(tmp_path: Path) -> None:
    line = {
        "qid": 7,
        "duration": 11,
        "relevant_windows": [[2, 6]],
        "relevant_clip_ids": [1, 2],
        "saliency_scores": [[1, 2, 3], [4, 4, 4]],
    }
    path = tmp_path / "truth.jsonl"
    path.write_text(json.dumps(line) + "\n")
    (read,) = read_truths(path)
    assert read.query_id == 7
    assert read.saliency.tolist() == [[0] * 3, [1, 2, 3], [4, 4, 4], [0] * 3, [0] * 3]
    path = tmp_path / "found.jsonl"
    path.write_text(json.dumps({"qid": 7, "pred_relevant_windows": [[0, 2, 0.5]]}))
    (found,) = read_predictions(path)
    assert found.windows.tolist() == [[0, 2, 0.5]]
    assert found.saliency is None


@pytest.mark.parametrize(
    ("text", "said"), [("{", "line 1: not JSON"), ('{"qid": 1}', "pred_relevant_windows missing")]
)
def test_a_line_that_is_no_prediction_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "found.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_predictions(path)
