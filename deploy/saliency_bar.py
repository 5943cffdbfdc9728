"""A saliency curve as a row of block characters."""

import itertools
from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"


def saliency_bar(probabilities: Sequence[float], width: int = 12) -> str:
    """Draw probabilities (0 to 1) as one block each, or the highest of each `width`-th part.

    >>> saliency_bar([0.0, 0.2, 0.9, 1.0, 0.4])
    ' ▂▇█▃'
    """
    count = len(probabilities)
    if count > width:
        # The highest and not the mean: one bright clip in a long alert must stay visible
        edges = [column * count // width for column in range(width + 1)]
        probabilities = [
            max(probabilities[left:right]) for left, right in itertools.pairwise(edges)
        ]
    return "".join(BLOCKS[_level(probability)] for probability in probabilities)


def _level(probability: float) -> int:
    return round(min(max(probability, 0.0), 1.0) * (len(BLOCKS) - 1))
