from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.detector import MomentDetector, pad_windows, padded_clips
from grounding.errors import DetectorError
from grounding.window import Window
from grounding.window_buffer import WindowBuffer
from tests.grounding.worlds import GATE_DIMS, SETTINGS, SPACE, DetectorGraph, query, scene


def window(flags: str, axis: int = 0) -> Window:
    buffer = WindowBuffer(SPACE, GATE_DIMS)
    gate_vector = np.zeros(GATE_DIMS, np.float32)
    pushes = [buffer.push(clip, gate_vector) for clip in scene(flags, axis)]
    made = pushes[-1].window
    assert made is not None
    return made


def detector(batch: int = 8) -> tuple[MomentDetector, DetectorGraph]:
    graph = DetectorGraph()
    return MomentDetector(graph, SETTINGS, batch), graph


def test_a_span_is_a_fraction_of_the_window_and_not_of_its_padding() -> None:
    # . . # # . . . . . .     10 clips, padded to 12: the event is clips 2 and 3
    (found,) = detector()[0].ground([(window("..##......"), query())])
    best = found.spans[0]
    assert best.start == pytest.approx(0.2, abs=0.01)
    assert best.end == pytest.approx(0.4, abs=0.01)
    assert 0 < best.score <= 1


def test_saliency_has_a_value_for_each_clip_of_the_window() -> None:
    (found,) = detector()[0].ground([(window("..##."), query())])
    assert found.global_saliency.shape == found.local_saliency.shape == (5,)
    assert (found.global_saliency > 0).tolist() == [False, False, True, True, False]


def test_two_events_are_two_spans_best_score_first() -> None:
    (found,) = detector()[0].ground([(window("##......##"), query())])
    assert len(found.spans) >= 2
    scores = [span.score for span in found.spans]
    assert scores == sorted(scores, reverse=True)
    starts = sorted(round(span.start, 1) for span in found.spans[:2])
    assert starts == [0.0, 0.8]


def test_no_more_spans_than_the_settings_allow() -> None:
    settings = msgspec.structs.replace(SETTINGS, max_moments=1)
    (found,) = MomentDetector(DetectorGraph(), settings).ground([(window("#..#...#.."), query())])
    assert len(found.spans) == 1


def test_pairs_of_equal_padded_length_share_a_run() -> None:
    made, graph = detector(batch=4)
    long, short = window("." * 20), window("...")
    pairs = [(long, query()), (short, query()), (window("." * 18), query()), (short, query("q1"))]
    made.ground(pairs)
    assert sorted(shape[:2] for shape in graph.shapes) == [(2, 8), (2, 20)]


def test_no_run_is_larger_than_the_batch() -> None:
    made, graph = detector(batch=3)
    made.ground([(window("." * 9), query(f"q{number}")) for number in range(7)])
    assert [shape[0] for shape in graph.shapes] == [3, 3, 1]


def test_no_pairs_no_run() -> None:
    made, graph = detector()
    assert made.ground([]) == []
    assert graph.shapes == []


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 75), st.integers(0, 2)), min_size=1, max_size=6))
def test_results_come_in_the_order_of_the_pairs(pairs: list[tuple[int, int]]) -> None:
    made, _ = detector(batch=2)
    asked = [(window("." * (clips - 1) + "#"), query(axis=axis)) for clips, axis in pairs]
    together = made.ground(asked)
    for pair, found in zip(asked, together, strict=True):
        (alone,) = made.ground([pair])
        np.testing.assert_allclose(found.global_saliency, alone.global_saliency, atol=1e-6)
        assert len(found.global_saliency) == len(pair[0].mask)
        assert found.spans == alone.spans


def test_rows_of_a_window_seen_twice_are_equal() -> None:
    one, other = window("..#......"), window("........#")
    video, mask = pad_windows([one, other, one])
    assert video.shape == (3, 12, SPACE.dims)
    np.testing.assert_array_equal(video[0], video[2])
    assert not np.array_equal(video[0], video[1])
    assert mask.sum(axis=1).tolist() == [9, 9, 9]


def test_missing_clips_are_masked() -> None:
    _, mask = pad_windows([window("#.  .....")])
    assert mask[0].tolist() == [1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("clips", range(1, 76))
def test_padded_lengths_fit_the_pyramid(clips: int) -> None:
    padded = padded_clips(clips)
    assert padded >= max(8, clips)
    assert padded % 4 == 0
    assert padded - clips < 4 or padded == 8


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("global_saliency", lambda made: made[:, :-1]),
        ("atss_box", lambda made: made[..., :1]),
        ("label", lambda made: made[0]),
        ("span", None),
    ],
)
def test_another_shape_than_agreed_is_an_error(name: str, change) -> None:
    class Wrong(DetectorGraph):
        def run(self, inputs):
            made = super().run(inputs)
            if change is None:
                del made[name]
            else:
                made[name] = change(made[name])
            return made

    with pytest.raises(DetectorError, match=name):
        MomentDetector(Wrong(), SETTINGS).ground([(window("..."), query())])


def test_a_window_out_of_one_clip_is_grounded() -> None:
    (found,) = detector()[0].ground([(window("#"), query())])
    assert found.spans[0].end <= 1.0 + 1e-6
    assert found.global_saliency.shape == (1,)


def test_windows_are_not_changed() -> None:
    made = window("..##..")
    before = made.vectors.copy()
    detector()[0].ground([(made, query()), (replace(made), query("q1"))])
    np.testing.assert_array_equal(made.vectors, before)
