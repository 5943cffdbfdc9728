"""Training samples and labelled clips from composed streams, once frames have features."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from encoder.training.motion_training import ABSENT, PRESENT, UNKNOWN, LabelledClip
from grounding.training.compose import Composer
from grounding.training.pools import ASKED
from grounding.training.samples import Sample, saliency_labels
from grounding.training.streams import Category, Layout, Query, Stream
from grounding.training.timeline import CLIP_SECONDS

ClipVectors = Callable[[NDArray[np.int32]], NDArray[np.float32]]  # rows [L, 8] -> [L, D]
TextTokens = Callable[[str], NDArray[np.float32]]  # text -> [N, D]
_CLEARLY = 0.4  # of a labelled clip
_WITH_EVENT, _ON_SITE = 0.7, 0.7  # shares of the streams that clips are drawn from


class EventComposer:
    """Composes samples: `composer(random, count)` as the detector's training loop calls it."""

    def __init__(self, composer: Composer, vectors: ClipVectors, tokens: TextTokens) -> None:
        self.composer, self._vectors, self._tokens = composer, vectors, tokens

    def __call__(self, random: np.random.Generator, count: int) -> list[Sample]:
        """At least `count` samples; those of one stream stand together."""
        self.composer.reseed(random)
        streams: list[Stream] = []
        while sum(len(stream.queries) for stream in streams) < count:
            streams.append(self.composer.stream())
        return self.samples(streams)

    def samples(self, streams: Sequence[Stream]) -> list[Sample]:
        """One sample per query; those of one stream share its clip vectors."""
        return [
            self._sample(stream, query, vectors)
            for stream, vectors in zip(streams, self._vectors_of(streams), strict=True)
            for query in stream.queries
        ]

    def _vectors_of(self, streams: Sequence[Stream]) -> list[NDArray[np.float32]]:
        """Clip vectors [L, D] of every stream; equal clips are computed once."""
        rows = np.concatenate([stream.rows for stream in streams])
        unique, place = np.unique(rows, axis=0, return_inverse=True)
        vectors = self._vectors(unique)[place.reshape(-1)]
        return np.split(vectors, np.cumsum([stream.clips for stream in streams])[:-1])

    def _sample(self, stream: Stream, query: Query, vectors: NDArray[np.float32]) -> Sample:
        return Sample(
            vectors=vectors,
            tokens=self._tokens(query.text),
            windows=np.array(query.windows, np.float64).reshape(-1, 2),
            saliency=saliency_labels(stream.saliency(query)),
            stream=stream,
            query=query,
        )


class ClipDrawer:
    """Draws single labelled clips of composed streams, for training what makes clip vectors."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer

    def __call__(self, random: np.random.Generator, count: int) -> list[LabelledClip]:
        """`count` clips with their labels, in the order of ASKED.

        An event fills few clips of a stream: of every stream that has one, a clip in which it is
        seen is drawn, and one more.
        """
        self._composer.reseed(random)
        clips: list[LabelledClip] = []
        while len(clips) < count:
            category: Category = "present" if random.random() < _WITH_EVENT else "look_alike"
            layout: Layout = "on_site" if random.random() < _ON_SITE else "spliced"
            stream = self._composer.stream(category, layout)
            labels = clip_labels(stream)
            drawn = [int(random.integers(stream.clips))]
            concept = stream.queries[0].concept
            if concept is not None:
                seen = np.flatnonzero(labels[ASKED.index(concept)] == PRESENT)
                drawn += [int(random.choice(seen))] if len(seen) else []
            clips += [LabelledClip(stream.rows[clip], labels[:, clip]) for clip in drawn]
        return clips[:count]


def clip_labels(stream: Stream) -> NDArray[np.int8]:
    """Whether each concept of ASKED is in each clip, [concepts, L]: a glimpse leaves it unknown."""
    labels = np.full((len(ASKED), stream.clips), UNKNOWN, np.int8)
    edges = np.arange(stream.clips) * CLIP_SECONDS
    for row, concept in enumerate(ASKED):
        lacking = np.ones(stream.clips, bool)
        for segment in stream.segments:
            footage = segment.footage
            if not footage.has(concept) and concept not in footage.lacks:
                lacking &= (segment.end <= edges) | (segment.start >= edges + CLIP_SECONDS)
        share = stream.saliency(Query("", "present", stream.windows(concept)))
        labels[row, lacking & (share == 0)] = ABSENT
        labels[row, share >= _CLEARLY] = PRESENT
    return labels
