"""Queries for streams: present ones with their windows, absent ones only where that is known."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from encoder.training.keywords import phrases_of as keywords_of
from grounding.training.concepts import EVENTS
from grounding.training.footage import Footage
from grounding.training.phrases import ANYWHERE, Part, phrases_of
from grounding.training.pools import ASKED, Piece
from grounding.training.streams import Category, Query, Stream
from grounding.training.timeline import Segment, windows_of
from grounding.training.words import content_words

T = TypeVar("T")
_TRIES = 12
_KEYWORD_SHARE = 0.4  # of the queries about pictures
_LONGEST_SENTENCE = 160  # characters; UCA has paragraphs


def read_uca(path: Path, limit: int = 6000) -> list[str]:
    """Short UCA sentences: the language of standing queries, used only for absent ones."""
    videos = json.loads(path.read_text(encoding="utf-8"))
    sentences = {
        text.strip()
        for video in videos.values()
        for text in video["sentences"]
        if 8 <= len(text.strip()) <= _LONGEST_SENTENCE
    }
    return sorted(sentences)[:: max(1, len(sentences) // limit)]


class Asker:
    """Draws texts: phrasings of `part`, captions and keywords of `pictures`, UCA's sentences.

    `keywords` limits the keywords to those whose features are at hand.
    """

    def __init__(
        self,
        random: np.random.Generator,
        pictures: Sequence[Footage],
        uca: Sequence[str],
        part: Part | None = "train",
        keywords: frozenset[str] | None = None,
    ) -> None:
        self.random, self.part, self.uca = random, part, uca
        self.pictures, self.keywords = pictures, keywords

    def texts(self) -> list[str]:
        """Every text that can be asked, so that features can be computed beforehand."""
        named = [text for c in (*ASKED, *ANYWHERE) for text in phrases_of(c, self.part)]
        captions = [text for picture in self.pictures for text in picture.captions]
        keywords = [word for text in captions for word in self._keywords(text)]
        return list(dict.fromkeys([*named, *captions, *keywords, *self.uca]))

    def ask(self, stream: Stream, category: Category, concept: str) -> Query | None:
        """A query of the category for a stream built around `concept`; None if none is safe."""
        if category == "present":
            return self._present(stream, concept)
        if category == "look_alike":
            return self._absent(stream, [concept], category)
        if category == "other_event":
            others = [event for event in EVENTS if event != concept]
            return self._absent(stream, others, category)
        return self._plain(stream)

    def ask_pictures(
        self,
        stream: Stream,
        category: Category,
        target: Piece | None,
    ) -> Query | None:
        """A query for a stream of pictures, about the target picture or about none of them."""
        if category == "present":
            return None if target is None else self._about(stream, target.footage)
        if category == "look_alike":
            return self._foreign_caption(stream, category, share_some=True)
        if category == "other_event":
            query = self._foreign_caption(stream, category)
            return query or self._absent(stream, list(EVENTS), category)
        return self._plain(stream)

    def ask_again(self, stream: Stream, present: bool) -> Query | None:
        """A further query: about something else that is seen, or one more that is absent."""
        asked = {query.text for query in stream.queries}
        query = self._something_seen(stream) if present else self._something_absent(stream)
        return None if query is None or query.text in asked else query

    def _present(self, stream: Stream, concept: str) -> Query | None:
        windows = stream.windows(concept)
        if not windows or not stream.knows(concept):
            return None
        return Query(self._phrase(concept), "present", windows, concept)

    def _absent(self, stream: Stream, concepts: Sequence[str], category: Category) -> Query | None:
        absent = [concept for concept in concepts if stream.lacks(concept)]
        if not absent:
            return None
        concept = self._one(absent)
        return Query(self._phrase(concept), category, (), concept)

    def _plain(self, stream: Stream) -> Query | None:
        draw = self.random.random()
        if draw < 0.45:
            return self._absent(stream, EVENTS, "plain")
        if draw < 0.55:
            return self._foreign(stream, phrases_of(self._one(ANYWHERE), self.part), "plain")
        if draw < 0.80 and self.uca:
            return self._foreign(stream, self.uca, "plain")
        return self._foreign_caption(stream, "plain") or self._absent(stream, EVENTS, "plain")

    def _something_absent(self, stream: Stream) -> Query | None:
        events = any(stream.windows(event) for event in EVENTS)
        category: Category = "other_event" if events else "plain"
        draw = self.random.random()
        if draw < 0.6:
            return self._absent(stream, ASKED, category)
        if draw < 0.8 and self.uca:
            return self._foreign(stream, self.uca, category)
        return self._foreign_caption(stream, category)

    def _something_seen(self, stream: Stream) -> Query | None:
        pictures = [s.footage for s in stream.segments if s.footage.captions]
        if pictures and self.random.random() < 0.7:
            return self._about(stream, self._one(pictures))
        seen = [concept for concept in ASKED if stream.windows(concept)]
        return self._present(stream, self._one(seen)) if seen else None

    def _about(self, stream: Stream, picture: Footage) -> Query | None:
        """A caption or keyword of a picture that fits none of the stream's other scenes."""
        if not picture.captions:
            return None
        caption = self._one(picture.captions)
        keyword = self.random.random() < _KEYWORD_SHARE
        text = self._one(self._keywords(caption) or [caption]) if keyword else caption
        words = content_words(text)
        for segment in stream.segments:
            other = segment.footage
            if other.id == picture.id:
                continue
            if not other.captions:
                return None
            shared = words & content_words(" ".join(other.captions))
            if 2 * len(shared) > len(words) or (keyword and shared):
                return None
        own = [s for s in stream.segments if s.footage.id == picture.id]
        windows = windows_of([_as_shown(s, text) for s in own], text, 2.0 * stream.clips)
        return Query(text, "present", windows) if windows and words else None

    def _foreign_caption(
        self, stream: Stream, category: Category, share_some: bool = False
    ) -> Query | None:
        if not self.pictures or stream.vocabulary is None:
            return None
        # Of live footage nobody listed every object: a keyword might well be there.
        listed = not share_some and all(s.footage.captions for s in stream.segments)
        for _ in range(_TRIES):
            text = self._one(self._one(self.pictures).captions)
            if share_some and not content_words(text) & stream.vocabulary:
                continue
            if listed and self.random.random() < _KEYWORD_SHARE:
                text = self._one(self._keywords(text) or [text])
            if stream.lacks_text(text):
                return Query(text, category)
        return None

    def _foreign(self, stream: Stream, texts: Sequence[str], category: Category) -> Query | None:
        for _ in range(_TRIES):
            text = self._one(texts)
            if stream.lacks_text(text):
                return Query(text, category)
        return None

    def _keywords(self, caption: str) -> list[str]:
        found = keywords_of(caption)
        return found if self.keywords is None else [word for word in found if word in self.keywords]

    def _phrase(self, concept: str) -> str:
        return self._one(phrases_of(concept, self.part))

    def _one(self, values: Sequence[T]) -> T:
        return values[int(self.random.integers(len(values)))]


def _as_shown(segment: Segment, text: str) -> Segment:
    """The segment with its text as a concept that is seen all through."""
    return replace(segment, footage=replace(segment.footage, shows=(text,)))
