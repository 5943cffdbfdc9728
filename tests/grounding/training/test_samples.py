import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grounding.training.samples import (
    LEAST_SHARE,
    Sample,
    batches,
    make_batch,
    margin_pairs,
    normalised,
    padded_length,
    saliency_labels,
)
from grounding.training.streams import Query, Stream
from grounding.training.words import content_words


def a_sample(clips: int, windows: list[tuple[float, float]], text: str = "dog") -> Sample:
    random = np.random.default_rng(clips)
    query = Query(text, "present" if windows else "plain", tuple(windows))
    stream = Stream(
        np.zeros((clips, 8), np.int32), (), "pictures", "none", content_words("grass"), (query,)
    )
    return Sample(
        random.normal(size=(clips, 6)).astype(np.float32),
        random.normal(size=(3, 6)).astype(np.float32),
        np.array(windows, np.float64).reshape(-1, 2),
        saliency_labels(stream.saliency(query)),
        stream,
        query,
    )


@given(st.integers(1, 75))
def test_windows_are_padded_to_what_the_network_takes(clips: int) -> None:
    length = padded_length(clips)
    assert length >= max(8, clips)
    assert length % 4 == 0
    assert length - clips < 4 or length == 8


def test_a_sliver_of_an_event_does_not_make_a_clip_relevant() -> None:
    shares = np.array([0.0, LEAST_SHARE - 0.01, LEAST_SHARE, 0.5, 1.0], np.float32)
    assert saliency_labels(shares).tolist() == [0, 0, 2, 6, 12]


def test_spans_are_fractions_of_the_samples_own_length() -> None:
    batch = make_batch([a_sample(10, [(5.0, 10.0)]), a_sample(30, [])], np.random.default_rng(0))
    assert batch.video.shape == (2, 32, 6)
    assert batch.video_mask.sum(1).tolist() == [10.0, 30.0]
    torch.testing.assert_close(batch.targets.spans[0], torch.tensor([[0.375, 0.25]]))
    assert batch.targets.spans[1].shape == (0, 2)
    assert batch.targets.present.tolist() == [True, False]
    assert batch.targets.durations.tolist() == [20.0, 60.0]


def test_rows_are_normalised_and_padding_stays_zero() -> None:
    batch = make_batch([a_sample(3, []), a_sample(9, [])], np.random.default_rng(0))
    norms = batch.video.norm(dim=2)
    torch.testing.assert_close(norms[0, :3], torch.ones(3), atol=1e-4, rtol=0)
    assert not norms[0, 3:].any()
    assert normalised(np.zeros((1, 4), np.float32)).tolist() == [[0.0] * 4]


@pytest.mark.parametrize(("text", "kept"), [("a dog", True), ("grass", False)])
def test_a_foreign_text_is_a_negative_only_where_it_is_known_absent(text: str, kept: bool) -> None:
    first, second = a_sample(8, [], "cat"), a_sample(9, [], text)
    batch = make_batch([first, second], np.random.default_rng(0))
    assert batch.targets.negative_ok is not None
    assert bool(batch.targets.negative_ok[0]) is kept


def test_one_stream_is_never_its_own_negative() -> None:
    sample = a_sample(8, [])
    batch = make_batch([sample, sample], np.random.default_rng(0))
    assert not batch.targets.negative_pairs().any()


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30), st.integers(0, 9))
def test_margin_pairs_set_relevant_over_irrelevant(labels: list[int], seed: int) -> None:
    saliency = np.array(labels, np.float32)
    winners, losers = margin_pairs(saliency, np.random.default_rng(seed))
    if not (saliency > 0).any():
        assert not winners.any()
        return
    assert saliency[winners[0]] == saliency.max()
    assert (saliency[winners] >= saliency[losers]).all()


def test_batches_hold_samples_of_similar_length_each_once() -> None:
    samples = [a_sample(clips, []) for clips in range(1, 65)]
    made = list(batches(samples, 8, np.random.default_rng(0)))
    lengths = [int(length) for batch in made for length in batch.video_mask.sum(1)]
    assert sorted(lengths) == list(range(1, 65))
    waste = sum(float((batch.video_mask == 0).float().mean()) for batch in made) / len(made)
    assert waste < 0.25
