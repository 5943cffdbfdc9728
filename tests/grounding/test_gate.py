from dataclasses import replace

import msgspec
import numpy as np
import pytest

from grounding.errors import DetectorError
from grounding.gate import Gate, normalise_rows, pad_tokens
from grounding.settings import DetectorSettings
from grounding.window import Window
from grounding.window_buffer import WindowBuffer
from tests.grounding.worlds import (
    GATE_DIMS,
    SETTINGS,
    SPACE,
    ClipGraph,
    QueryGraph,
    query,
    scene,
    text,
    vector,
)


def gate(settings: DetectorSettings = SETTINGS) -> Gate:
    made = Gate(ClipGraph(), QueryGraph(), settings)
    made.watch([query("q0", 0), query("q1", 1)])
    return made


def windows(made: Gate, flags: str, axis: int = 0) -> list[Window]:
    buffer = WindowBuffer(SPACE, GATE_DIMS)
    clips = scene(flags, axis)
    vectors = made.clip_vectors(np.stack([clip.vector for clip in clips]))
    pushes = [buffer.push(clip, row) for clip, row in zip(clips, vectors, strict=True)]
    return [push.window for push in pushes if push.window is not None]


def test_local_saliency_is_scale_times_cosine_plus_bias() -> None:
    made = gate()
    clips = made.clip_vectors(np.stack([vector({0: 0.9}), vector({1: 0.5})]))
    expected = 10.0 * np.array([[0.9, 0.0], [0.0, 0.5]]) - 5.0
    np.testing.assert_allclose(made.local_saliency(clips), expected, atol=2e-3)


def test_a_pair_passes_on_the_saliency_of_its_newest_clips() -> None:
    # clips      0 1 2 3 4 5 6
    #            . . # . . . .
    # passes         ^ ^ ^        gate_clips = 3: the clip itself and two after it
    made = gate()
    passed = made.salient(windows(made, "..#...."))
    assert passed[:, 0].tolist() == [False, False, True, True, True, False, False]
    assert not passed[:, 1].any()


def test_one_gate_clip_looks_at_the_newest_alone() -> None:
    made = gate(msgspec.structs.replace(SETTINGS, gate_clips=1))
    assert made.salient(windows(made, "..#.."))[:, 0].tolist() == [False, False, True, False, False]


def test_missing_clips_are_not_looked_at() -> None:
    # A masked row's vector is zero: with a bias above the threshold it would pass.
    made = gate(msgspec.structs.replace(SETTINGS, saliency_bias=-0.5, gate_threshold=0.0))
    last = windows(made, "#     .")[-1]
    assert not made.salient([last])[0, 0]


def test_windows_at_once_and_one_by_one_pass_alike() -> None:
    made = gate()
    many = windows(made, "#..##.#...#")
    together = made.salient(many)
    apart = np.concatenate([made.salient([window]) for window in many])
    np.testing.assert_array_equal(together, apart)


def test_without_queries_or_windows_nothing_passes() -> None:
    made = gate()
    some = windows(made, "##")
    assert made.salient([]).shape == (0, 2)
    made.watch([])
    assert made.salient(some).shape == (2, 0)
    assert made.clip_vectors(np.zeros((0, SPACE.dims), np.float32)).shape == (0, GATE_DIMS)


class Counted(QueryGraph):
    """Says how many texts were in each run."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def run(self, inputs):
        self.rows.append(len(inputs["text"]))
        return super().run(inputs)


def test_of_many_queries_only_those_that_changed_are_made_anew() -> None:
    graph = Counted()
    made = Gate(ClipGraph(), graph, SETTINGS)
    queries = [query(f"q{number}", number % 4) for number in range(150)]
    made.watch(queries)
    assert graph.rows == [64, 64, 22]
    queries[7] = query("q7", 3, version=2)
    del queries[100]
    made.watch([*reversed(queries), query("new", 1)])
    assert graph.rows == [64, 64, 22, 2]
    fresh = gate()
    fresh.watch([*reversed(queries), query("new", 1)])
    clips = made.clip_vectors(np.stack([vector({axis: 0.9}) for axis in range(4)]))
    np.testing.assert_array_equal(made.local_saliency(clips), fresh.local_saliency(clips))
    window = windows(made, ".")[0]
    np.testing.assert_array_equal(made.audited(window, 3), fresh.audited(window, 3))


def test_new_features_of_a_known_version_count() -> None:
    made = gate()
    made.watch([query("q0", 1), query("q1", 1)])
    passed = made.salient(windows(made, "#", axis=1))
    assert passed.tolist() == [[True, True]]


def test_two_versions_of_a_query_stand_side_by_side() -> None:
    made = gate()
    both = [query("q0", 0), query("q0", 1, version=2)]
    made.watch(both)
    made.watch(both[1:])
    assert made.salient(windows(made, "#", axis=1)).tolist() == [[True]]
    assert made.salient(windows(made, "#", axis=0)).tolist() == [[False]]


def test_the_audit_takes_about_one_pair_in_so_many_and_always_the_same() -> None:
    made = gate()
    made.watch([query(f"q{number}") for number in range(50)])
    window = windows(made, ".")[0]
    picks = [made.audited(replace(window, index=index), 20) for index in range(400)]
    again = [made.audited(replace(window, index=index), 20) for index in range(400)]
    np.testing.assert_array_equal(picks, again)
    assert 800 < np.sum(picks) < 1200  # 20,000 pairs, one in 20
    assert not made.audited(window, 0).any()
    assert made.audited(window, 1).all()


def test_the_audit_does_not_depend_on_the_other_queries() -> None:
    made = gate()
    window = windows(made, ".")[0]
    made.watch([query(f"q{number}") for number in range(50)])
    all_picks = made.audited(window, 5)
    made.watch([query("q7")])
    assert made.audited(window, 5)[0] == all_picks[7]


def test_tokens_are_normalised_padded_and_masked() -> None:
    tokens, mask = pad_tokens([text(0, tokens=2), text(1, tokens=9)], limit=4)
    assert tokens.shape == (2, 4, SPACE.dims)
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert not tokens[0, 2:].any()
    np.testing.assert_allclose(np.linalg.norm(tokens[1], axis=1), 1, atol=1e-4)


def test_a_zero_row_stays_zero() -> None:
    rows = np.array([[0, 0], [3, 4]], np.float32)
    np.testing.assert_allclose(normalise_rows(rows), [[0, 0], [0.6, 0.8]], atol=1e-5)


def test_a_graph_of_another_shape_is_an_error() -> None:
    wrong = Gate(ClipGraph(), QueryGraph(), msgspec.structs.replace(SETTINGS, gate_dims=3))
    with pytest.raises(DetectorError, match=r"clip \(1, 3\)"):
        wrong.clip_vectors(vector({0: 1.0})[None])


def test_a_window_without_gate_vectors_is_an_error() -> None:
    made = gate()
    bare = replace(windows(made, ".")[0], gate_vectors=None)
    with pytest.raises(DetectorError, match="no gate vectors"):
        made.salient([bare])
