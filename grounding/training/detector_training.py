"""The training loop of SG-DETR's live variant."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from grounding.sgdetr.loss_settings import LossSettings
from grounding.sgdetr.losses import SGDETRLoss
from grounding.sgdetr.model import SGDETR
from grounding.training.samples import Sample, batches

Report = Callable[[str], None]
Compose = Callable[[np.random.Generator, int], Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class DetectorTraining:
    """The recipe; `samples` are composed anew all the time, so there are no epochs."""

    samples: int = 30_000
    batch: int = 32
    pool: int = 512  # samples composed at a time and sorted into batches by length
    learning_rate: float = 4e-4
    weight_decay: float = 0.05
    warmup_share: float = 0.05
    clip_norm: float = 0.3
    half_share: float = 0.8  # of the samples, the first ones, in bfloat16: nearly twice as fast
    seed: int = 0


def train_detector(
    model: SGDETR, compose: Compose, settings: DetectorTraining, report: Report
) -> None:
    """Train `model` in place on what `compose(random, count)` returns."""
    random = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.samples // settings.batch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _factor(step, steps, settings.warmup_share)
    )
    loss_of = SGDETRLoss(LossSettings.live())
    model.train()
    for pool in range(0, settings.samples, settings.pool):
        seen: list[dict[str, float]] = []
        samples = compose(random, settings.pool)
        half = pool < settings.half_share * settings.samples
        for batch in batches(samples, settings.batch, random):
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                predictions = model(
                    batch.video, batch.video_mask, batch.text, batch.text_mask, batch.targets
                )
            result = loss_of(predictions, batch.targets)
            optimizer.zero_grad()
            result.total.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            optimizer.step()
            schedule.step()
            seen.append({name: float(value) for name, value in result.terms.items()})
        report(f"{pool + settings.pool}/{settings.samples} samples: {_summary(seen)}")
    model.eval()


def _factor(step: int, steps: int, warmup_share: float) -> float:
    warm = min(1.0, (step + 1) / max(1.0, warmup_share * steps))
    return warm * max(0.02, 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / steps))))


def _summary(seen: Sequence[dict[str, float]]) -> str:
    shown = ("loss_saliency", "loss_label", "loss_span", "aux_loss_label", "aux_loss_giou")
    return ", ".join(
        f"{name.replace('loss_', '')} {np.mean([terms.get(name, 0.0) for terms in seen]):.3f}"
        for name in shown
    )
