"""What users would type for each concept, and which of it stays unseen in training."""

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Literal

from grounding.training.concepts import EVENTS

Part = Literal["train", "held_out"]

# What is easily taken for an event: its look-alikes, by concept.
LOOK_ALIKES: dict[str, tuple[str, ...]] = {
    "accident": ("traffic",),
    "fight": ("calm_people", "walking", "standing"),
    "fall": ("sitting", "picking_up", "jumping", "lying_in_bed", "getting_into_bed", "standing"),
    "lying": ("lying_in_bed", "sitting", "calm_people", "standing", "getting_into_bed"),
    "fire": ("lamp",),
}
KEYWORD_WORDS = 3  # no more: a keyword
ANYWHERE = ("other_event", "lamp")  # phrases of no labelled concept: only for absent queries


@cache
def _phrases() -> dict[str, list[str]]:
    text = (files("grounding.training") / "phrases.json").read_text(encoding="utf-8")
    phrases: dict[str, list[str]] = json.loads(text)
    return phrases


def concepts_with_phrases() -> tuple[str, ...]:
    """All concepts that have phrases, events first."""
    return tuple(sorted(_phrases(), key=lambda concept: (concept not in EVENTS, concept)))


@cache
def phrases_of(concept: str, part: Part | None = None) -> tuple[str, ...]:
    """The phrasings of a concept: all, those trained on, or the third held out for evaluation."""
    phrases = _phrases()[concept]
    if part is None:
        return tuple(phrases)
    keywords = [text for text in phrases if len(text.split()) <= KEYWORD_WORDS]
    sentences = [text for text in phrases if len(text.split()) > KEYWORD_WORDS]
    held_out = {*_a_third(keywords), *_a_third(sentences)}
    return tuple(text for text in phrases if (text in held_out) == (part == "held_out"))


def _a_third(texts: list[str]) -> list[str]:
    ranked = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
    return ranked[: round(len(ranked) / 3)]
