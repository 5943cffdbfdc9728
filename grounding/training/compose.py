"""Streams of known content, composed from footage (specs: composed streams).

A stream is built around one *target*: an event, a look-alike, another event, or nothing. On site
it happens before its own camera's background; spliced, or among pictures, scenes of other
cameras surround it, in the same way whether the query is present or absent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np

from grounding.training.layouts import Layouts, pick
from grounding.training.phrases import LOOK_ALIKES
from grounding.training.placement import Placement, draw_clips, place
from grounding.training.pools import Piece, Pools, by_group
from grounding.training.questions import Asker
from grounding.training.streams import Category, Layout, Stream
from grounding.training.timeline import CLIP_SECONDS, Segment, rows_of

_TRIES = 200
# Sources whose event-free footage is the event's look-alike.
_CONTRASTS = {
    "accident": "accident",
    "fight": "fights",
    "fire": "fire",
    "fall": "bed",
    "lying": "falls",
}


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the samples, and the weights with which concepts become targets."""

    categories: tuple[float, ...] = (0.35, 0.25, 0.20, 0.20)  # in the order of Category
    layouts: tuple[float, ...] = (0.55, 0.20, 0.25)  # in the order of Layout
    extra_query: float = 0.5  # a stream is asked a second query
    on_site: dict[str, float] = field(
        default_factory=lambda: {
            "accident": 0.28,
            "fight": 0.22,
            "fall": 0.24,
            "lying": 0.12,
            "picking_up": 0.03,
            "walking": 0.03,
            "sitting": 0.03,
            "jumping": 0.03,
            "getting_into_bed": 0.02,
        }
    )
    spliced: dict[str, float] = field(
        default_factory=lambda: {
            "accident": 0.16,
            "fight": 0.27,
            "fire": 0.26,
            "lying": 0.10,
            "fall": 0.05,
            "traffic": 0.05,
            "walking": 0.02,
            "sitting": 0.02,
            "standing": 0.02,
            "lying_in_bed": 0.03,
            "getting_into_bed": 0.02,
        }
    )


class Composer:
    """Draws streams from pools; `part` says which phrasings it may use."""

    def __init__(
        self, pools: Pools, asker: Asker, random: np.random.Generator, mix: Mix | None = None
    ) -> None:
        self.pools, self.asker, self.random = pools, asker, random
        self.mix = mix or Mix()
        self._sites = {
            concept: by_group(pools.on_site(concept))
            for concept in {*self.mix.on_site, *(c for many in LOOK_ALIKES.values() for c in many)}
        }
        self._scenes = {concept: by_group(many) for concept, many in pools.by_concept.items()}
        self._layouts = Layouts(pools, random)
        self._contrasts = {
            concept: by_group([p for p in pools.calm if p.footage.source == source])
            for concept, source in _CONTRASTS.items()
        }

    def reseed(self, random: np.random.Generator) -> None:
        """Draw from `random` from now on: the same state gives the same streams."""
        self.random = self.asker.random = self._layouts.random = random

    def stream(self, category: Category | None = None, layout: Layout | None = None) -> Stream:
        """One stream with one or two queries, the first of the category drawn."""
        kind: Category = category or self._one_of(get_args(Category), self.mix.categories)
        around: Layout = layout or self._one_of(get_args(Layout), self.mix.layouts)
        for _ in range(_TRIES):
            stream = self._attempt(kind, around)
            if stream is not None:
                return stream
        raise ValueError(
            f"the footage given cannot make a stream of category {kind!r}, layout {around!r}"
        )

    def _attempt(self, category: Category, layout: Layout) -> Stream | None:
        clips = draw_clips(self.random)
        if layout == "pictures":
            return self._among_pictures(category, clips)
        concept = self._concept(category, layout)
        target = self._target(category, layout, concept)
        if target is None and category != "plain":
            return None
        placement = place(self.random, clips * CLIP_SECONDS, target)
        segments = (
            self._layouts.on_site(target, placement)
            if layout == "on_site"
            else self._layouts.spliced(target, placement, concept)
        )
        stream = self._finished(segments, clips, layout, placement)
        query = self.asker.ask(stream, category, concept)
        return None if query is None else self._asked(replace(stream, queries=(query,)))

    def _asked(self, stream: Stream) -> Stream:
        if self.random.random() >= self.mix.extra_query:
            return stream
        present = self.random.random() < 0.5  # half of these tries find nothing to ask
        extra = self.asker.ask_again(stream, present)
        return stream if extra is None else replace(stream, queries=(*stream.queries, extra))

    def _finished(
        self, segments: Sequence[Segment], clips: int, layout: Layout, placement: Placement
    ) -> Stream:
        vocabularies = [self.pools.vocabulary[s.footage.id] for s in segments]
        known = [words for words in vocabularies if words is not None]
        vocabulary = frozenset[str]().union(*known) if len(known) == len(vocabularies) else None
        return Stream(rows_of(segments, clips), tuple(segments), layout, placement.cut, vocabulary)

    def _concept(self, category: Category, layout: Layout) -> str:
        """What the query is about (present, look-alike) or what else happens (other event)."""
        weights = self.mix.on_site if layout == "on_site" else self.mix.spliced
        names = [
            name
            for name in weights
            if (category != "look_alike" or name in LOOK_ALIKES) and self._has(name, layout)
        ]
        if not names:
            return next(iter(weights))
        shares = np.array([weights[name] for name in names])
        return str(self.random.choice(names, p=shares / shares.sum()))

    def _has(self, concept: str, layout: Layout) -> bool:
        return bool((self._sites if layout == "on_site" else self._scenes).get(concept))

    def _target(self, category: Category, layout: Layout, concept: str) -> Piece | None:
        if category == "plain":
            return None
        if category == "look_alike":
            return self._look_alike(layout, concept)
        table = self._sites if layout == "on_site" else self._scenes
        return self._pick(table.get(concept, []))

    def _look_alike(self, layout: Layout, concept: str) -> Piece | None:
        """Something easily taken for the event: labelled so, or footage made for the contrast."""
        if concept in ("accident", "fight", "fire"):
            return self._pick(self._contrasts[concept])
        table = self._sites if layout == "on_site" else self._scenes
        names = [name for name in LOOK_ALIKES[concept] if table.get(name)]
        if not names or self.random.random() < 0.5:
            contrast = "fall" if layout == "on_site" else concept  # pictures have no site
            return self._pick(self._contrasts[contrast])
        return self._pick(table[str(self.random.choice(names))])

    def _among_pictures(self, category: Category, clips: int) -> Stream | None:
        """Pictures shown one after another; the query speaks of one of them, or of none."""
        if not self.pools.pictures:
            return None
        if category == "other_event":
            target = self._pick(self._scenes.get(self._concept(category, "spliced"), []))
        else:
            target = self._layouts.picture()
        placement = place(self.random, clips * CLIP_SECONDS, target)
        segments = self._layouts.among_pictures(target, placement)
        stream = self._finished(segments, clips, "pictures", placement)
        query = self.asker.ask_pictures(stream, category, target)
        return None if query is None else self._asked(replace(stream, queries=(query,)))

    def _pick(self, groups: Sequence[Sequence[Piece]]) -> Piece | None:
        return pick(self.random, groups)

    def _one_of(self, values: Sequence[Any], shares: Sequence[float]) -> Any:
        return values[int(self.random.choice(len(values), p=shares))]
