import numpy as np
import pytest
import torch
from msgspec.structs import replace

from grounding.calibration import MOMENT_FEATURES
from grounding.detector import MomentDetector, pad_windows
from grounding.gate import pad_tokens
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR
from grounding.training.evaluate import (
    OPEN_VOCABULARY,
    TorchGraph,
    case_of,
    evaluate_cases,
    make_query,
    make_window,
    right_moments,
)
from grounding.training.footage import Footage
from grounding.training.streams import Query, Stream
from grounding.training.timeline import Segment
from tests.grounding.training.cases import case
from tests.grounding.worlds import DIMS, SETTINGS, DetectorGraph


def small_model() -> SGDETR:
    torch.manual_seed(0)
    config = SGDETRConfig(
        video_features=DIMS,
        text_features=DIMS,
        end_points=False,
        masked=True,
        width=32,
        heads=2,
        ffn_width=32,
        encoder_layers=1,
        decoder_layers=1,
    )
    return SGDETR(config).eval()


def test_a_perfect_detector_finds_events_where_they_are() -> None:
    cases = [case("..###..."), case("#"), case("......"), case(".#...##.....")]
    results = evaluate_cases(DetectorGraph(), cases, SETTINGS)
    assert [result.case for result in results] == cases  # in order, whatever their lengths
    for result in results:
        found = result.windows[np.argsort(result.windows[:, 0])][:, :2]
        np.testing.assert_allclose(found, result.case.sample.windows, atol=1e-4)
        assert result.features.shape == (len(found), len(MOMENT_FEATURES))
        assert result.right.all()
        assert len(result.global_saliency) == len(result.case.sample.vectors)


def test_features_are_the_live_ones() -> None:
    (result,) = evaluate_cases(DetectorGraph(), [case("..###...")], SETTINGS)
    named = dict(zip(MOMENT_FEATURES, result.features[0], strict=True))
    assert named["cosine_top2_mean"] == pytest.approx(0.9)
    assert named["global_saliency_mean"] == pytest.approx(4.0, abs=1e-3)  # 10 * 0.9 - 5
    assert named["log_span_seconds"] == pytest.approx(np.log(6.0), abs=1e-3)


def test_more_moments_are_ranked_than_calibrated() -> None:
    few = replace(SETTINGS, max_moments=5)
    (result,) = evaluate_cases(DetectorGraph(), [case("#.#.#.#.#.#.#.#.")], few)
    assert len(result.windows) == 8
    assert len(result.features) == len(result.scores) == 5


def test_the_background_is_the_median_clip() -> None:
    (result,) = evaluate_cases(DetectorGraph(), [case(".....##")], SETTINGS)
    np.testing.assert_array_equal(result.background, case(".").sample.vectors[0])


def test_a_stream_longer_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="76 clips and the detector's window 75"):
        evaluate_cases(DetectorGraph(), [case("." * 76)], SETTINGS)


def test_no_cases_have_no_results() -> None:
    assert evaluate_cases(DetectorGraph(), [], SETTINGS) == []


def test_a_model_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.eval"):
        TorchGraph(small_model().train())


def test_a_torch_model_gives_what_a_graph_gives() -> None:
    cases = [case("..###..."), case("....#"), case("." * 11)]
    results = evaluate_cases(TorchGraph(small_model()), cases, SETTINGS, batch=2)
    for one in cases:
        (alone,) = evaluate_cases(TorchGraph(small_model()), [one], SETTINGS)
        (together,) = (result for result in results if result.case is one)
        np.testing.assert_allclose(together.windows, alone.windows, atol=1e-4)
        np.testing.assert_allclose(together.features, alone.features, atol=1e-3)


def test_spans_of_a_torch_model_refer_to_the_clips_that_are_there() -> None:
    model, about = small_model(), case("....#")  # 5 clips, padded to 8
    window, query = make_window(about.sample.vectors), make_query(about)
    video, mask = pad_windows([window])
    tokens, token_mask = pad_tokens([query.features], 40)
    given = (torch.from_numpy(array) for array in (video, mask, tokens, token_mask))
    with torch.inference_mode():
        predictions = model(*given)
    assert predictions.lengths.tolist() == [5.0]
    made = TorchGraph(model).run(
        {"video": video, "video_mask": mask, "text": tokens, "text_mask": token_mask}
    )
    expected = predictions.last.span.numpy() * 5 / 8  # as the exported graph has them
    np.testing.assert_allclose(made["span"], expected, atol=1e-6)
    spans = MomentDetector(TorchGraph(model), SETTINGS).ground([(window, query)])[0].spans
    assert all(0 <= span.start < span.end <= 1 + 1e-6 for span in spans)


def windows(*rows: tuple[float, float]) -> np.ndarray:
    return np.array(rows, np.float64).reshape(-1, 2)


@pytest.mark.parametrize(
    ("found", "true", "right"),
    [
        ((0, 10), (0, 20), True),  # IoU exactly 0.5
        ((0, 9.9), (0, 20), False),
        ((0, 20), (11.5, 13.3), False),  # short: the middle, 10, is 1.5 s before it
        ((0, 20), (10.9, 12.7), True),  # 0.9 s before it
        ((0, 20), (7.0, 9.0), True),  # 1.0 s behind it
        ((0, 20), (8.0, 12.0), False),  # four seconds are not short
    ],
)
def test_what_counts_as_right(
    found: tuple[float, float], true: tuple[float, float], right: bool
) -> None:
    assert right_moments(windows(found), windows(true)).tolist() == [right]


def test_nothing_is_right_where_nothing_is_shown() -> None:
    assert right_moments(windows((0, 4), (2, 6)), windows()).tolist() == [False, False]
    assert right_moments(windows(), windows((0, 4))).tolist() == []


def footage(name: str, group: str, shows: tuple[str, ...] = ()) -> Footage:
    return Footage(name, "fights", group, "video", 8.0, 64, shows=shows)


def stream(query: Query, *segments: Segment, layout: str = "spliced") -> Stream:
    rows = np.zeros((6, 8), np.int32)
    return Stream(rows, segments, layout, "none", None, (query,))  # type: ignore[arg-type]


def test_a_case_is_built_around_what_is_asked_for() -> None:
    query = Query("two men fight", "present", ((9.0, 12.0),), "fight")
    made = stream(
        query,
        Segment(footage("a", "yard"), 0.0, 9.0, 0, 8, True),
        Segment(footage("b", "alley", ("fight",)), 9.0, 12.0, 0, 8, True),
    )
    about = case_of(case("....##", stream=made, query=query).sample, np.zeros(DIMS, np.float32))
    assert about.groups == ("alley", "yard")
    assert (about.concept, about.kind, about.spliced) == ("fight", "present", True)
    assert about.onset_age_clips == pytest.approx(1.5)
    assert about.seconds == 12.0


def test_an_absent_case_is_built_around_what_is_seen_longest() -> None:
    query = Query("a red kite", "plain")
    made = stream(
        query,
        Segment(footage("a", "yard"), 0.0, 4.0, 0, 8, True),
        Segment(footage("b", "alley"), 4.0, 12.0, 0, 8, True),
        layout="on_site",
    )
    about = case_of(case("......", stream=made, query=query).sample, np.zeros(DIMS, np.float32))
    assert (about.group, about.concept, about.spliced) == ("alley", OPEN_VOCABULARY, False)
    assert not about.present
    assert about.onset_age_clips is None


def test_an_event_from_the_beginning_has_no_onset() -> None:
    query = Query("a fight", "present", ((0.0, 12.0),), "fight")
    made = stream(query, Segment(footage("b", "alley", ("fight",)), 0.0, 12.0, 0, 8, True))
    about = case_of(case("######", stream=made, query=query).sample, np.zeros(DIMS, np.float32))
    assert about.onset_age_clips is None
