"""Keywords and short phrases cut out of captions: users type "red car", not sentences."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_FUNCTION_WORDS = frozenset(
    """
    a an the of in on at to and or with is are was were be been being by for from into onto
    over under up down out off as that this these those its his her their he she it they them
    him who which while another other one two three some several through near next behind
    front beside between around along across against it's there has have had do does very
    """.split()  # noqa: SIM905 - a list of sixty words reads worse
)
LONGEST = 3  # words of a phrase


def phrases_of(caption: str) -> list[str]:
    """The runs of words between function words and commas, none longer than LONGEST words.

    >>> phrases_of("A child in a pink dress is climbing up a set of stairs .")
    ['child', 'pink dress', 'climbing', 'set', 'stairs']
    """
    runs: list[list[str]] = [[]]
    for word in re.findall(r"[a-z'-]+|[.,;]", caption.lower()):
        if word in _FUNCTION_WORDS or word in ".,;":
            runs.append([])
        else:
            runs[-1].append(word)
    return [
        " ".join(run[start : start + LONGEST])
        for run in runs
        for start in range(0, len(run), LONGEST)
    ]


@dataclass(frozen=True, slots=True)
class Keywords:
    """The commonest phrases of a set of captions, and which of them each picture has."""

    texts: tuple[str, ...]
    of_picture: tuple[tuple[int, ...], ...]  # rows of `texts`


def common_keywords(captions: Sequence[Sequence[str]], limit: int) -> Keywords:
    """`captions[picture]` are a picture's captions; the `limit` commonest phrases are kept."""
    found = [{phrase for text in texts for phrase in phrases_of(text)} for texts in captions]
    counts = Counter(phrase for phrases in found for phrase in sorted(phrases))
    texts = tuple(phrase for phrase, _ in counts.most_common(limit))
    row = {phrase: number for number, phrase in enumerate(texts)}
    return Keywords(
        texts, tuple(tuple(sorted(row[p] for p in phrases if p in row)) for phrases in found)
    )
