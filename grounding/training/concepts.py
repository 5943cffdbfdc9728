"""The concepts that footage is labelled with, and which of them each kind of scene can hold.

A concept that a scene neither shows nor is known to lack is unknown there: no absent query is
ever made of it.
"""

EVENTS = ("accident", "fight", "fall", "lying", "fire")
DAILY = (
    "traffic",
    "walking",
    "standing",
    "sitting",
    "picking_up",
    "jumping",
    "lying_in_bed",
    "getting_into_bed",
    "calm_people",
    "empty_place",
)
CONCEPTS = EVENTS + DAILY

# What may happen in a kind of scene without its labels saying so.
_POSSIBLE: dict[str, frozenset[str]] = {
    "street": frozenset(
        {"traffic", "walking", "standing", "fall", "lying", "fire", "sitting", "calm_people"}
        | {"empty_place"}
    ),
    "fight": frozenset(CONCEPTS) - {"fire", "accident", "lying_in_bed", "getting_into_bed"},
    "no_fight": frozenset(CONCEPTS)
    - {"fight", "fire", "accident", "fall", "lying", "lying_in_bed", "getting_into_bed"},
    "room": frozenset({"standing", "calm_people", "walking"}),  # UP-Fall: one man, one room
    "room_fall": frozenset(  # onto a mattress, some of it with bent knees
        {"standing", "calm_people", "walking", "sitting", "lying_in_bed", "picking_up"}
    ),
    "room_lying": frozenset({"lying_in_bed", "lying", "empty_place"}),  # on a mattress, on purpose
    "bedroom": frozenset({"standing", "sitting", "calm_people"}),
    "fallen": frozenset({"fall", "sitting", "calm_people", "lying_in_bed"}),
    "upright": frozenset({"standing", "sitting", "walking", "calm_people", "jumping"})
    | {"picking_up", "lying_in_bed"},
    "burning": frozenset({"accident", "traffic", "standing", "walking", "calm_people"})
    | {"empty_place"},
    "unlit": frozenset(CONCEPTS) - {"fire", "fight", "accident", "fall", "lying"},
    "picture": frozenset(CONCEPTS),  # Flickr8k: captions say what is there, never what is not
}


def lacks(scene: str, seen: set[str]) -> tuple[str, ...]:
    """Concepts known to be absent from a kind of scene in which `seen` are present."""
    possible = _POSSIBLE[scene]
    return tuple(c for c in CONCEPTS if c not in possible and c not in seen)
