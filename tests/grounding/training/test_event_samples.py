from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.training.motion_training import ABSENT, PRESENT, UNKNOWN
from grounding.training.compose import Composer
from grounding.training.event_samples import ClipDrawer, EventComposer, clip_labels
from grounding.training.pools import ASKED, Pools
from grounding.training.questions import Asker
from grounding.training.streams import Stream
from tests.grounding.training.worlds_of_footage import footage_of_the_world

DIMS = 6


@cache
def pools() -> Pools:
    return Pools(footage_of_the_world())


def composer(seed: int = 0) -> Composer:
    random = np.random.default_rng(seed)
    return Composer(pools(), Asker(random, pools().pictures, []), random)


def vectors(rows: np.ndarray) -> np.ndarray:
    """Clip vectors that tell their rows: the mean row in the first place."""
    made = np.zeros((len(rows), DIMS), np.float32)
    made[:, 0] = rows.mean(1)
    return made


def tokens(text: str) -> np.ndarray:
    return np.full((len(text.split()), DIMS), len(text), np.float32)


def events() -> EventComposer:
    return EventComposer(composer(), vectors, tokens)


def test_enough_samples_are_made():
    samples = events()(np.random.default_rng(0), 50)
    assert 50 <= len(samples) <= 51


def test_a_sample_is_its_stream_seen_and_its_query_read():
    for sample in events()(np.random.default_rng(0), 60):
        np.testing.assert_allclose(sample.vectors[:, 0], sample.stream.rows.mean(1), rtol=1e-6)
        assert sample.tokens.shape == (len(sample.query.text.split()), DIMS)
        assert len(sample.saliency) == sample.stream.clips
        assert len(sample.windows) == len(sample.query.windows)
        assert (sample.saliency > 0).any() or not any(
            end - start > 0.6 for start, end in sample.query.windows
        )
        assert 0 <= sample.saliency.min() <= sample.saliency.max() <= 12


def test_queries_of_one_stream_share_its_vectors():
    samples = events()(np.random.default_rng(0), 80)
    pairs = [(a, b) for a, b in pairwise(samples) if a.stream is b.stream]
    assert pairs
    assert all(a.vectors is b.vectors for a, b in pairs)


def test_equal_clips_are_encoded_once():
    asked: list[int] = []

    def counting(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        assert len(np.unique(rows, axis=0)) == len(rows)
        return vectors(rows)

    samples = EventComposer(composer(), counting, tokens)(np.random.default_rng(3), 200)
    clips = sum(stream.clips for stream in {id(s.stream): s.stream for s in samples}.values())
    assert sum(asked) < clips


def test_the_same_random_state_gives_the_same_samples():
    made = events()
    first = [s.query for s in made(np.random.default_rng(5), 20)]
    assert [s.query for s in made(np.random.default_rng(5), 20)] == first


def test_clips_are_drawn_with_their_labels():
    clips = ClipDrawer(composer())(np.random.default_rng(0), 64)
    assert len(clips) == 64
    assert {clip.rows.shape for clip in clips} == {(8,)}
    labels = np.stack([clip.labels for clip in clips])
    assert labels.shape == (64, len(ASKED))
    assert set(np.unique(labels).tolist()) <= {PRESENT, ABSENT, UNKNOWN}
    for concept in ("accident", "fight", "fall", "lying"):
        column = labels[:, ASKED.index(concept)]
        assert (column == PRESENT).any()
        assert (column == ABSENT).any()


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_labels_never_contradict_the_streams_windows(seed: int):
    stream: Stream = composer(seed).stream()
    labels = clip_labels(stream)
    for row, concept in enumerate(ASKED):
        inside = np.zeros(stream.clips)
        for start, end in stream.windows(concept):
            clips = np.arange(stream.clips) * 2.0
            inside += np.clip(np.minimum(end, clips + 2.0) - np.maximum(start, clips), 0, None)
        assert (inside[labels[row] == ABSENT] < 1e-6).all()
        assert (inside[labels[row] == PRESENT] >= 0.8 - 1e-6).all()


def test_what_no_label_speaks_of_is_unknown():
    streams = [composer(seed).stream(category="plain", layout="pictures") for seed in range(9)]
    labels = [clip_labels(stream)[ASKED.index("standing")] for stream in streams]
    assert any((row == UNKNOWN).any() for row in labels)  # some caption names a person


@pytest.mark.parametrize("layout", ["on_site", "spliced"])
def test_every_clip_of_a_known_stream_has_a_label(layout: str):
    stream = composer(4).stream(category="present", layout=layout)
    concept = stream.queries[0].concept
    assert concept is not None
    row = clip_labels(stream)[ASKED.index(concept)]
    assert (row == PRESENT).any() or len(stream.windows(concept)) > 0
