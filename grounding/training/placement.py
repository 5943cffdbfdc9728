"""Where in a stream its target stands: the mix of lengths and of cut-off events."""

import math
from dataclasses import dataclass

import numpy as np

from grounding.training.pools import ACTIONS, Piece
from grounding.training.streams import Cut

LENGTHS = ((0.30, 1, 8), (0.40, 9, 40), (0.30, 41, 75))  # share, fewest, most clips
CUT_RIGHT, CUT_LEFT = 0.40, 0.10
JUST_BEGUN = 5 / 6  # of those cut at the right: the window ends 1-3 clips after onset
_LEAST_SEEN = 0.3  # seconds of a target


@dataclass(frozen=True, slots=True)
class Placement:
    """The target is seen from `start` to `end` of `seconds`; `skipped` of it lie before 0."""

    start: float
    end: float
    seconds: float
    cut: Cut
    skipped: float = 0.0


def draw_clips(random: np.random.Generator) -> int:
    """A stream's length in clips."""
    shares = [share for share, _, _ in LENGTHS]
    _, fewest, most = LENGTHS[int(random.choice(len(LENGTHS), p=shares))]
    return int(random.integers(fewest, most + 1))


def place(random: np.random.Generator, seconds: float, target: Piece | None) -> Placement:
    """Place a target in a stream of `seconds`; without one, a point in the middle."""
    if target is None:
        return Placement(seconds / 2, seconds / 2, seconds, "none")
    draw = random.random()
    if draw < CUT_RIGHT:
        return _cut_right(random, seconds, target)
    if draw < CUT_RIGHT + CUT_LEFT:
        return _cut_left(random, seconds, target)
    natural = target.seconds
    action = target.concept in ACTIONS
    if action and natural > 0.9 * seconds:
        return _cut_right(random, seconds, target)
    drawn = float(np.exp(random.uniform(math.log(1.2), math.log(40.0))))
    lasts = natural if action else min(drawn, 0.85 * seconds)
    start = float(random.uniform(0, seconds - lasts))
    return Placement(start, start + lasts, seconds, "none")


def _cut_right(random: np.random.Generator, seconds: float, target: Piece) -> Placement:
    """It goes on at the window's end; an action may also just be over."""
    natural = target.seconds
    if random.random() < JUST_BEGUN:
        before = float(random.uniform(_LEAST_SEEN, min(6.0, seconds)))
    else:
        before = float(random.uniform(_LEAST_SEEN, seconds))
    if target.concept not in ACTIONS:
        return Placement(seconds - before, seconds, seconds, "right")
    if random.random() < 0.5:
        before = min(before, float(random.uniform(0.4, 1.0)) * natural, seconds)
    start = seconds - before
    return Placement(start, min(start + natural, seconds), seconds, "right")


def _cut_left(random: np.random.Generator, seconds: float, target: Piece) -> Placement:
    """It began before the window did."""
    natural = target.seconds
    if target.concept in ACTIONS:
        skipped = float(random.uniform(0.1, 0.6)) * natural
        return Placement(0.0, min(natural - skipped, seconds), seconds, "left", skipped)
    end = float(random.uniform(_LEAST_SEEN, min(40.0, 0.9 * seconds)))
    return Placement(0.0, end, seconds, "left", float(random.uniform(0, natural)))
