"""How a stream is laid out around its target: on one camera, between scenes, among pictures."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grounding.training.placement import Placement
from grounding.training.pools import ACTIONS, Piece, Pools, by_group
from grounding.training.timeline import CLIP_SECONDS, Segment

_TRIES = 100
_PICTURE_SHARE = 0.3  # of the scenes of spliced streams


class Layouts:
    """Makes the segments of streams out of pools; `random` may be replaced at any time."""

    def __init__(self, pools: Pools, random: np.random.Generator) -> None:
        self.pools, self.random = pools, random
        self._calm = by_group(pools.calm)
        self._cameras = by_group([p for p in pools.calm if p.footage.kind == "video"])

    def on_site(self, target: Piece | None, placement: Placement) -> list[Segment]:
        """The target before its camera's own background; only the event changes."""
        start, end, seconds = placement.start, placement.end, placement.seconds
        if target is None:
            idle = pick(self.random, self._cameras)
            assert idle is not None
            same = self.pools.background(idle)
            return self._background(same, 0.0, seconds)
        same = self.pools.background(target) or [target]
        lead = min(float(self.random.uniform(0.3, 3.0)), target.low, start)
        if target.concept is None:
            lead = 0.0  # before it there may be an event
        elif target.concept == "lying":
            lead = min(target.low, start)  # the fall that led to it
        segments = self._background(same, 0.0, start - lead)
        if lead > 0:
            low = target.low - lead
            segments.append(Segment(target.footage, start - lead, start, low, target.low, False))
        segments += self._played(target, start, end, placement)
        if end < seconds:
            segments += self._aftermath(target, same, end, seconds)
        return segments

    def _played(
        self, target: Piece, start: float, end: float, placement: Placement
    ) -> list[Segment]:
        """The target from `start` to `end`: once at its own pace, then swinging on."""
        low, high, footage = target.low, target.high, target.footage
        if target.concept in ACTIONS:
            phase = placement.skipped
            return [Segment(footage, start, end, low, high, False, phase)]
        if target.concept != "accident":
            phase = float(self.random.uniform(0, target.seconds))
            return [Segment(footage, start, end, low, high, True, phase)]
        phase = min(placement.skipped, 0.8 * target.seconds)
        impact_over = min(start + target.seconds - phase, end)
        segments = [Segment(footage, start, impact_over, low, high, False, phase)]
        if impact_over < end:  # a crash played backwards is no crash: only its end swings on
            late = high - 0.3 * target.seconds
            segments.append(Segment(footage, impact_over, end, late, high, True, high - late))
        return segments

    def _aftermath(
        self, target: Piece, same: Sequence[Piece], start: float, seconds: float
    ) -> list[Segment]:
        """What follows in the footage itself (after a fall, somebody lies), then the background."""
        follows = self._following(target, start) if target.concept is not None else None
        if follows is None:
            return self._background(same, start, seconds)
        until = min(seconds, follows.end)
        if seconds - until < 1.0:
            until = seconds
        return [replace(follows, end=until), *self._background(same, until, seconds)]

    def _following(self, target: Piece, start: float) -> Segment | None:
        """The footage after the target: a state goes on for a while, the rest is played once."""
        footage, high = target.footage, target.high
        for event in footage.events:
            if abs(event.start - high) < 1e-6 and event.concept not in ACTIONS:
                lasts = float(np.exp(self.random.uniform(math.log(2.0), math.log(60.0))))
                return Segment(footage, start, start + lasts, event.start, event.end, True)
        rest = footage.seconds - high
        if rest < 0.25 or self.random.random() < 0.3:
            return None
        return Segment(footage, start, start + rest, high, footage.seconds, False)

    def _background(self, pieces: Sequence[Piece], start: float, end: float) -> list[Segment]:
        """Event-free pieces of one camera, one after another."""
        segments: list[Segment] = []
        while end - start > 1e-9:
            piece = pieces[int(self.random.integers(len(pieces)))]
            until = min(end, start + float(np.exp(self.random.uniform(1.0, 3.7))))
            phase = float(self.random.uniform(0, piece.seconds))
            segments.append(
                Segment(piece.footage, start, until, piece.low, piece.high, True, phase)
            )
            start = until
        return segments

    def spliced(self, target: Piece | None, placement: Placement, concept: str) -> list[Segment]:
        """The target between scenes of other cameras that lack what is asked for."""
        start, end, seconds = placement.start, placement.end, placement.seconds
        if target is None:
            return self._scenery(concept, 0.0, seconds)
        segments = self._scenery(concept, 0.0, start)
        segments += self._played(target, start, end, placement)
        return segments + self._scenery(concept, end, seconds)

    def _scenery(self, concept: str, start: float, end: float) -> list[Segment]:
        segments: list[Segment] = []
        while end - start > 1e-9:
            piece = self._scene_without(concept)
            until = min(end, start + float(np.exp(self.random.uniform(0.7, 3.2))))
            phase = float(self.random.uniform(0, piece.seconds))
            segments.append(
                Segment(piece.footage, start, until, piece.low, piece.high, True, phase)
            )
            start = until
        return segments

    def _scene_without(self, concept: str) -> Piece:
        for _ in range(_TRIES):
            if self.random.random() < _PICTURE_SHARE and self.pools.pictures:
                piece = self.picture()
            else:
                found = pick(self.random, self._calm)
                assert found is not None
                piece = found
            if concept in piece.footage.lacks:
                return piece
        raise ValueError(f"the footage given has no scene that is known to lack {concept!r}")

    def among_pictures(self, target: Piece | None, placement: Placement) -> list[Segment]:
        """The target between captioned pictures, each shown for one to twelve clips."""
        segments = self._pictures(0.0, placement.start)
        if target is not None:
            segments += self._played(target, placement.start, placement.end, placement)
        return segments + self._pictures(placement.end, placement.seconds)

    def picture(self) -> Piece:
        """Any picture, as a target."""
        pictures = self.pools.pictures
        footage = pictures[int(self.random.integers(len(pictures)))]
        return Piece(footage, 0.0, footage.seconds)

    def _pictures(self, start: float, end: float) -> list[Segment]:
        segments: list[Segment] = []
        while end - start > 1e-9:
            shown = self.picture()
            until = min(end, start + CLIP_SECONDS * float(self.random.uniform(1, 12)))
            segments.append(Segment(shown.footage, start, until, 0.0, shown.high, True))
            start = until
        return segments


def pick(random: np.random.Generator, groups: Sequence[Sequence[Piece]]) -> Piece | None:
    """A piece of a random group, so that a camera with many clips does not rule."""
    if not groups:
        return None
    group = groups[int(random.integers(len(groups)))]
    return group[int(random.integers(len(group)))]
