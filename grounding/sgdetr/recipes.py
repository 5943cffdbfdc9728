"""How the official networks were trained: one frozen preset per run (specification section 4).

All runs use AdamW with default betas, single precision and no moving average of the weights.
"""

from dataclasses import dataclass, field, replace

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.loss_settings import LossSettings


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate per epoch: linear from `start` to `peak`, then times `gamma` at milestones."""

    start: float
    peak: float
    warmup_epochs: int
    milestones: tuple[int, ...]
    gamma: float

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0.

        >>> Schedule(0.0, 1.0, 4, (10,), 0.5).rate(1), Schedule(0.0, 1.0, 4, (10,), 0.5).rate(10)
        (0.25, 0.5)
        """
        if epoch < self.warmup_epochs:
            return self.start + (self.peak - self.start) * epoch / self.warmup_epochs
        passed = sum(milestone <= epoch for milestone in self.milestones)
        return self.peak * self.gamma**passed


@dataclass(frozen=True, slots=True)
class WeightAveraging:
    """Stochastic weight averaging: from which epoch, at what rate, annealed over how many."""

    first_epoch: int
    rate: float
    anneal_epochs: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run. `select_by` names the validation figure the checkpoint is chosen by.

    `weight_decay` holds for all parameters, norms and biases included, except the local saliency
    head's, which always have `saliency_weight_decay`.
    """

    model: SGDETRConfig
    schedule: Schedule
    batch_size: int
    epochs: int
    max_steps: int | None = None
    seed: int = 42
    weight_decay: float = 0.1
    saliency_weight_decay: float = 0.1
    clip_norm: float = 0.1
    averaging: WeightAveraging | None = None
    losses: LossSettings = field(default_factory=LossSettings)
    select_by: str = "DETR MR-full-mAP"
    patience: int = 250
    validation_batch_size: int = 512


def qvhighlights() -> Recipe:
    """QVHighlights from scratch (seeds 40, 41 and 42 in the official scripts)."""
    return Recipe(
        model=SGDETRConfig.qvhighlights(),
        schedule=Schedule(5e-6, 5e-4, 45, (100, 125), 0.5),
        batch_size=128,
        epochs=160,
        seed=40,
    )


def pretraining() -> Recipe:
    """InterVid-MR, 150,000 samples."""
    return Recipe(
        model=SGDETRConfig.qvhighlights(),
        schedule=Schedule(1e-5, 5e-4, 4, (20, 27), 0.1),
        batch_size=256,
        epochs=30,
        max_steps=17_500,
    )


def qvhighlights_finetuning() -> Recipe:
    """QVHighlights after pre-training, with weight averaging at the end."""
    return Recipe(
        model=SGDETRConfig.qvhighlights(),
        schedule=Schedule(1e-5, 5e-4, 5, (10, 30), 0.5),
        batch_size=128,
        epochs=50,
        max_steps=2_800,
        weight_decay=1e-4,
        averaging=WeightAveraging(first_epoch=37, rate=1e-5, anneal_epochs=3),
    )


def charades() -> Recipe:
    """Charades-STA from scratch: 1-second clips."""
    return Recipe(
        model=SGDETRConfig.charades(),
        schedule=Schedule(5e-6, 5e-4, 20, (40, 50), 0.5),
        batch_size=64,
        epochs=100,
        seed=45,
        select_by="COMB R1@0.5",
    )


def charades_finetuning() -> Recipe:
    """Charades-STA after pre-training."""
    schedule = Schedule(5e-6, 5e-4, 5, (8, 12), 0.5)
    return replace(charades(), schedule=schedule, epochs=30)


def tacos() -> Recipe:
    """TACoS from scratch; its first learning rate is not known, so fine-tuning's is taken."""
    return Recipe(
        model=SGDETRConfig.tacos(),
        schedule=Schedule(5e-6, 5e-4, 20, (70, 85), 0.5),
        batch_size=32,
        epochs=120,
        select_by="COMB R1@0.3",
    )


def tacos_finetuning() -> Recipe:
    """TACoS after pre-training."""
    schedule = Schedule(5e-6, 5e-4, 5, (14, 22), 0.5)
    return replace(tacos(), schedule=schedule, epochs=40)


def tvsum() -> Recipe:
    """TVSum: one network per domain, ten of them; saliency losses only."""
    return Recipe(
        model=SGDETRConfig.tvsum(),
        schedule=Schedule(1e-5, 5e-4, 20, (12, 18), 0.5),
        batch_size=4,
        epochs=200,
        max_steps=12_800,
        losses=LossSettings.highlights(),
        select_by="HL top-5 mAP",
    )


def youtube() -> Recipe:
    """YouTube Highlights: one network per domain, six of them; saliency losses only."""
    return Recipe(
        model=SGDETRConfig.youtube(),
        schedule=Schedule(5e-6, 5e-4, 5, (14, 22), 0.5),
        batch_size=4,
        epochs=200,
        max_steps=22_800,
        losses=LossSettings.highlights(),
        select_by="HL mAP",
    )
