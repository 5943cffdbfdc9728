"""Content words of texts: what decides whether a sentence may be called absent from a stream."""

import re

_STOP_WORDS = """
a an the of in on at to and or with is are was were be been being by for from into onto over under
up down out off as that this these those its his her their he she it they them him who which while
another other one two three four some several through near next behind front beside between around
along across there has have had do does did very then when where both after before still each any
all not no back more many few other's left right side toward towards away together about again
here also himself herself themselves something someone somebody anyone alert tell me check whether
seen camera happen happens detected
"""
_STOP = frozenset(_STOP_WORDS.split())
_SAME = {
    "person": "man men woman women people boy boys girl girls guy guys lady ladies child children "
    "kid kids adult adults person persons toddler baby player players crowd group couple friend "
    "friends individual customer customers passer-by passers-by pedestrian pedestrians driver "
    "rider worker elderly patient clerk police officer human body nobody",
    "car": "car cars vehicle vehicles truck trucks van vans bus buses taxi sedan suv jeep",
    "bike": "bike bikes bicycle bicycles motorcycle motorcycles motorbike motorbikes scooter "
    "biker cyclist bicyclist motorcyclist",
    "dog": "dog dogs puppy puppies",
    "road": "road roads street streets highway lane lanes intersection crossing junction crossroad "
    "sidewalk path pavement traffic",
    "ground": "ground floor floors",
    "fall": "fall falls fell fallen falling collapse collapses collapsed trip trips tripped slip "
    "slips slipped stumble stumbles tumble tumbles",
    "crash": "crash crashes crashed crashing collision collide collides collided collision "
    "accident accidents wreck overturned rollover",
    "fight": "fight fights fighting fought brawl punch punches punched punching beat beats beating "
    "beaten attack attacks attacked assault kick kicks kicked kicking wrestle wrestling scuffle "
    "hit hits hitting boxing karate tackle tackles tackled slap slapped violence",
    "fire": "fire fires flame flames burn burns burning burned smoke bonfire blaze campfire torch "
    "wildfire fireworks firework",
    "lie": "lie lies lay lays lying laying lain sleep sleeps sleeping asleep rest resting nap",
}
_CANON = {word: group for group, words in _SAME.items() for word in words.split()}


def content_words(text: str) -> frozenset[str]:
    """The words of a text that mean something, near-synonyms and endings taken together.

    >>> sorted(content_words("Two men are fighting on the street"))
    ['fight', 'person', 'road']
    """
    words = re.findall(r"[a-z][a-z'-]+", text.lower())
    return frozenset(_canonical(word) for word in words if word not in _STOP)


def _canonical(word: str) -> str:
    if word in _CANON:
        return _CANON[word]
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word[: -len(ending)]
            return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem
    return word


def foreign_to(words: frozenset[str], vocabulary: frozenset[str]) -> bool:
    """Whether a text with these words says something a stream with that vocabulary lacks.

    Short texts must share no word at all; of a sentence at most a third may be shared (nearly
    every sentence names a person).
    """
    if not words:
        return False
    shared = len(words & vocabulary)
    return shared == 0 if len(words) < 4 else 3 * shared <= len(words)
