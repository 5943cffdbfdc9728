"""Training of the motion head: clips against phrases, stills against their captions.

The rest of the towers is frozen. A clip is pulled to the phrases of what happens in it and pushed
from those of what is known not to happen; what is unknown is left out. Played backwards or frozen,
an event is no longer that event: the hard negatives by time. Stills keep the head from moving
pictures without motion away from their words.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from encoder.training.clip_features import FrameStore, clip_batch
from encoder.training.picture_training import symmetric_loss
from encoder.training.towers import MotionHead

Report = Callable[[str], None]
UNKNOWN, ABSENT, PRESENT = 0, -1, 1


@dataclass(frozen=True, slots=True, eq=False)
class LabelledClip:
    """Eight frames and, per concept, whether it happens in them."""

    rows: NDArray[np.int32]  # [T] of the frame store
    labels: NDArray[np.int8]  # [concepts] PRESENT, ABSENT or UNKNOWN


@dataclass(frozen=True, slots=True, eq=False)
class MotionData:
    """`draw` makes clips (at random places, so that events are often cut); texts are unit rows."""

    draw: Callable[[np.random.Generator, int], Sequence[LabelledClip]]
    phrases: tuple[Tensor, ...]  # per concept [phrases, D]
    timed: NDArray[np.bool_]  # [concepts] True where time reversed or stopped undoes the concept
    still_rows: NDArray[np.int32]  # [S] frame store rows of captioned stills
    still_texts: Tensor  # [S, captions, D] unit vectors


@dataclass(frozen=True, slots=True)
class MotionTraining:
    """The recipe; the defaults made `watchword-lite`."""

    steps: int = 160
    clips: int = 48
    stills: int = 48
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    scale: float = 20.0  # inverse temperature
    backwards: float = 0.12  # share of clips played backwards
    frozen: float = 0.12  # share of clips frozen at one frame
    still_weight: float = 0.5
    seed: int = 0


def train_motion(
    motion: MotionHead,
    store: FrameStore,
    data: MotionData,
    settings: MotionTraining,
    report: Report,
) -> None:
    """Train `motion` in place."""
    random = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    optimizer = torch.optim.AdamW(
        motion.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    motion.train()
    seen: list[float] = []
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _cosine(step, settings.steps)
        clips = [_by_time(c, data, settings, random) for c in data.draw(random, settings.clips)]
        loss = _clip_loss(motion, store, data, clips, settings, random)
        loss = loss + settings.still_weight * _still_loss(motion, store, data, settings, random)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(motion.parameters(), 1.0)
        optimizer.step()
        seen.append(float(loss.detach()))
        if (step + 1) % 50 == 0:
            report(f"motion {step + 1}/{settings.steps}: loss {np.mean(seen[-50:]):.3f}")
    motion.eval()


def _clip_loss(
    motion: MotionHead,
    store: FrameStore,
    data: MotionData,
    clips: Sequence[LabelledClip],
    settings: MotionTraining,
    random: np.random.Generator,
) -> Tensor:
    """Per clip, softmax over the concepts known to be there or not, and the same per concept."""
    vectors = clip_batch(store, motion, np.stack([clip.rows for clip in clips]))
    labels = torch.from_numpy(np.stack([clip.labels for clip in clips]))  # [B, concepts]
    texts = torch.stack([rows[random.integers(len(rows))] for rows in data.phrases])
    logits = settings.scale * vectors @ texts.T
    return symmetric_loss(
        logits.masked_fill(labels == UNKNOWN, -1e4), (labels == PRESENT).to(logits.dtype)
    )


def _still_loss(
    motion: MotionHead,
    store: FrameStore,
    data: MotionData,
    settings: MotionTraining,
    random: np.random.Generator,
) -> Tensor:
    chosen = random.integers(0, len(data.still_rows), settings.stills)
    vectors = torch.from_numpy(store.vectors[data.still_rows[chosen]])
    nothing = torch.zeros(1, 2, motion.reduce.out_channels, motion.TOP)
    texts = data.still_texts[chosen, int(random.integers(data.still_texts.shape[1]))]
    logits = settings.scale * F.normalize(vectors + motion.read(nothing), dim=-1) @ texts.T
    return symmetric_loss(logits, torch.eye(len(chosen)))


def _by_time(
    clip: LabelledClip,
    data: MotionData,
    settings: MotionTraining,
    random: np.random.Generator,
) -> LabelledClip:
    """Sometimes the clip backwards or frozen: what needs time is then known to be absent."""
    draw = random.random()
    if draw < settings.backwards:
        rows = clip.rows[::-1].copy()
    elif draw < settings.backwards + settings.frozen:
        rows = np.full_like(clip.rows, random.choice(clip.rows))
    else:
        return clip
    labels = clip.labels.copy()
    labels[data.timed & (labels == PRESENT)] = ABSENT
    return LabelledClip(rows, labels)


def _cosine(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / 20) * 0.5 * (1.0 + math.cos(math.pi * step / steps))
