"""What streams are composed of: pieces of footage that show a concept, or nothing happening."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from grounding.training.concepts import CONCEPTS, EVENTS
from grounding.training.footage import Footage, fold_of
from grounding.training.phrases import phrases_of
from grounding.training.words import content_words

# Concepts of which footage is labelled well enough to be asked for.
ASKED = (
    *EVENTS,
    "traffic",
    "walking",
    "standing",
    "sitting",
    "picking_up",
    "jumping",
    "lying_in_bed",
    "getting_into_bed",
)
ACTIONS = frozenset({"fall", "picking_up", "getting_into_bed"})  # happen once, at their own pace
_LEAST_SECONDS = 0.5  # a background piece
_WORDS_OF_CONCEPT = {
    "accident": "crash",
    "fight": "fight",
    "fall": "fall",
    "lying": "lie ground",
    "fire": "fire",
    "traffic": "car road bike",
}
_SCENERY = {
    "accident": "car road bike person building tree light sign city driver line drive turn",
    "fights": "person room shop store counter table chair bar car road street wall door stand "
    "walk black white shirt clothes look wear wall stair corridor bus night",
    "bed": "person room bed window floor mattress pillow wardrobe shirt lie sit stand wear white",
    "up_fall": "person room office floor chair mattress wall window shirt white black wear stand "
    "walk sit table bench",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """`low` .. `high` seconds of a footage, in which `concept` is seen (None: nothing happens)."""

    footage: Footage
    low: float
    high: float
    concept: str | None = None

    @property
    def seconds(self) -> float:
        """How long it lasts when played once."""
        return self.high - self.low


def camera_of(footage: Footage) -> str:
    """The camera, where backgrounds are really the same (a group may hold several)."""
    if footage.source == "up_fall":
        return f"up_fall/{footage.id[-4:]}"
    if footage.source in ("bed", "falls", "fire"):
        return footage.id  # every rendering and every picture has a view of its own
    return footage.group


def training_footage(index: Iterable[Footage], fold: int | None) -> list[Footage]:
    """What may be trained on when `fold` is held out; None: everything (Flickr8k: train only)."""
    return [
        footage
        for footage in index
        if footage.split == "train" and (fold is None or not _held_out(footage, fold))
    ]


def evaluation_footage(index: Iterable[Footage], fold: int) -> list[Footage]:
    """What is held out in `fold`: its source groups, and a fifth of Flickr8k's test split."""
    return [footage for footage in index if _held_out(footage, fold)]


def _held_out(footage: Footage, fold: int) -> bool:
    if footage.source == "flickr8k" and footage.split != "test":
        return False  # the encoder learns from these pictures in every fold
    return fold_of(footage.group) == fold


class Pools:
    """Pieces of a set of footage, by concept and by camera."""

    def __init__(self, footage: Sequence[Footage]) -> None:
        known = [_with_lacks(item) for item in footage]
        self.pictures = [item for item in known if item.source == "flickr8k"]
        self.by_concept: dict[str, list[Piece]] = defaultdict(list)
        self.idle: dict[str, list[Piece]] = defaultdict(list)  # by camera
        self.calm: list[Piece] = []  # all of them
        for item in known:
            if item.source == "flickr8k":
                continue
            for piece in _shown(item):
                assert piece.concept is not None
                self.by_concept[piece.concept].append(piece)
            for piece in _idle(item):
                self.idle[camera_of(item)].append(piece)
                self.calm.append(piece)
        self.vocabulary = {item.id: _vocabulary(item) for item in known}

    def on_site(self, concept: str) -> list[Piece]:
        """Pieces of a concept whose camera is also seen without it: nothing else need change."""
        return [piece for piece in self.by_concept[concept] if self.background(piece)]

    def background(self, piece: Piece) -> list[Piece]:
        """Event-free pieces of a piece's camera that lack its concept."""
        return [
            idle
            for idle in self.idle[camera_of(piece.footage)]
            if piece.concept is None or not idle.footage.has(piece.concept) or _apart(idle, piece)
        ]


def _apart(idle: Piece, piece: Piece) -> bool:
    """Whether the concept, although the idle piece's footage has it, is not seen in the piece."""
    concept = piece.concept
    return concept not in idle.footage.shows and not any(
        event.concept == concept and event.start < idle.high and event.end > idle.low
        for event in idle.footage.events
    )


def _with_lacks(footage: Footage) -> Footage:
    """Flickr8k's captions say which concepts a picture can be trusted to lack."""
    if footage.source != "flickr8k":
        return footage
    words = frozenset[str]().union(*(content_words(text) for text in footage.captions))
    lacks = tuple(
        concept
        for concept in CONCEPTS
        if not words & frozenset(_WORDS_OF_CONCEPT.get(concept, "person bed").split())
    )
    return replace(footage, lacks=lacks)


def _shown(footage: Footage) -> list[Piece]:
    """Pieces of what a footage shows: all of what lasts, between the events; every event."""
    lasting = [
        replace(piece, concept=concept)
        for concept in footage.shows
        for piece in _between_events(footage)
    ]
    return lasting + [
        Piece(footage, event.start, event.end, event.concept)
        for event in footage.events
        if event.end - event.start >= 0.2
    ]


def _idle(footage: Footage) -> list[Piece]:
    """The stretches of a footage in which no event is seen; none if it shows one all through."""
    if any(concept in EVENTS for concept in footage.shows):
        return []
    return _between_events(footage)


def _between_events(footage: Footage) -> list[Piece]:
    """Stretches that may be repeated without repeating an event or an action."""
    busy = sorted(
        (e.start, e.end) for e in footage.events if e.concept in EVENTS or e.concept in ACTIONS
    )
    pieces, low = [], 0.0
    for start, end in [*busy, (footage.seconds, footage.seconds)]:
        if start - low >= (_LEAST_SECONDS if footage.kind == "video" else 0.0):
            pieces.append(Piece(footage, low, start))
        low = max(low, end)
    return pieces


def _vocabulary(footage: Footage) -> frozenset[str] | None:
    """Words that could describe a footage; None where that cannot be known."""
    if footage.source == "flickr8k":
        return frozenset[str]().union(*(content_words(text) for text in footage.captions))
    if footage.source not in _SCENERY:
        return None
    possible = [concept for concept in CONCEPTS if concept not in footage.lacks]
    phrases = (content_words(text) for concept in possible for text in phrases_of(concept))
    return frozenset(_SCENERY[footage.source].split()).union(*phrases)


def by_group(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces by source group; UP-Fall's one group counts once per activity and camera."""
    groups: dict[str, list[Piece]] = {}
    for piece in pieces:
        footage = piece.footage
        many = footage.source in ("up_fall", "bed", "fire")
        groups.setdefault(footage.id if many else footage.group, []).append(piece)
    return list(groups.values())
