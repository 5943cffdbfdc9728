"""Composed streams and the queries asked of them: what the composer returns."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grounding.training.timeline import Segment, relevance, windows_of
from grounding.training.words import content_words, foreign_to

Category = Literal["present", "look_alike", "other_event", "plain"]
Layout = Literal["on_site", "spliced", "pictures"]
Cut = Literal["none", "right", "left"]


@dataclass(frozen=True, slots=True)
class Query:
    """A text asked of a stream. `windows` (stream seconds) is empty where it is absent."""

    text: str
    category: Category
    windows: tuple[tuple[float, float], ...] = ()
    concept: str | None = None  # None: an open-vocabulary text


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """A schedule: `rows[l]` are the frame-cache rows of clip l's eight frames."""

    rows: NDArray[np.int32]  # [L, 8]
    segments: tuple[Segment, ...]
    layout: Layout
    cut: Cut  # how the edges treat what the stream was built around
    vocabulary: frozenset[str] | None  # words that could describe it; None if unknowable
    queries: tuple[Query, ...] = ()

    @property
    def clips(self) -> int:
        """L."""
        return len(self.rows)

    @property
    def groups(self) -> frozenset[str]:
        """The source groups of everything it shows."""
        return frozenset(segment.footage.group for segment in self.segments)

    @property
    def spliced(self) -> bool:
        """Whether it cuts between cameras."""
        return self.layout != "on_site"

    def windows(self, concept: str) -> tuple[tuple[float, float], ...]:
        """When a concept is seen."""
        return windows_of(self.segments, concept, 2.0 * self.clips)

    def saliency(self, query: Query) -> NDArray[np.float32]:
        """The share of each clip inside the query's windows: [L]."""
        return relevance(query.windows, self.clips)

    def knows(self, concept: str) -> bool:
        """Whether its labels say of every segment if the concept is seen in it."""
        return all(s.footage.has(concept) or concept in s.footage.lacks for s in self.segments)

    def lacks(self, concept: str) -> bool:
        """Whether the concept is known never to be seen."""
        return self.knows(concept) and not self.windows(concept)

    def lacks_text(self, text: str) -> bool:
        """Whether an open-vocabulary text speaks of things that the stream is known to lack."""
        return self.vocabulary is not None and foreign_to(content_words(text), self.vocabulary)
