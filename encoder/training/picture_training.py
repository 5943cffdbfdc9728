"""Contrastive training of the frame head and the text head on captioned pictures.

InfoNCE between pictures and captions with shared targets for captions that mean the same, the
same between pictures and keywords (several keywords belong to a picture), and a term that keeps
the text head's geometry near MiniLM's on sentences about surveillance videos, so that words which
no picture here shows stay placed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from encoder.efficientnet import EfficientNetLite0
from encoder.training.picture_data import FROZEN_STAGE, PictureData
from encoder.training.retrieval import recall_at
from encoder.training.towers import FrameHead, TextHead

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PictureTraining:
    """The recipe; the defaults made `watchword-lite`."""

    epochs: int = 10
    batch: int = 256
    learning_rate: float = 1e-3
    backbone_learning_rate: float = 2e-4
    weight_decay: float = 0.05
    warmup_steps: int = 40
    keyword_weight: float = 0.4
    keywords_per_picture: int = 2
    geometry_weight: float = 2.0
    geometry_batch: int = 192
    same_meaning: float = 0.75  # MiniLM cosine above which two captions share their target
    sharpest: float = 60.0  # bound of the learned inverse temperature
    seed: int = 0


class PictureTrainer:
    """The towers being trained and the rows they are trained on."""

    def __init__(
        self,
        towers: "Towers",
        data: PictureData,
        settings: PictureTraining,
    ) -> None:
        self.towers, self.data, self.settings = towers, data, settings
        self.sharpness = nn.Parameter(torch.tensor(math.log(20.0)))
        self.random = np.random.default_rng(settings.seed)
        self.caption_means = data.captions.means()
        self.geometry_means = data.geometry.means()

    def run(self, rows: NDArray[np.int64], report: Report) -> None:
        """Train on the pictures `rows`; `report` gets a line an epoch."""
        optimizer, schedule = self._optimizer(len(rows))
        for epoch in range(self.settings.epochs):
            self.towers.train()
            losses = []
            for batch in self._batches(rows):
                loss = self._loss(batch)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(self.towers.trained(), 1.0)
                optimizer.step()
                schedule.step()
                losses.append(float(loss.detach()))
            report(f"epoch {epoch + 1}/{self.settings.epochs}: loss {np.mean(losses):.3f}")

    def _optimizer(
        self, pictures: int
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        settings = self.settings
        heads = [*self.towers.text.parameters(), *self.towers.frames.parameters()]
        optimizer = torch.optim.AdamW(
            [
                {"params": heads, "lr": settings.learning_rate},
                {"params": self.towers.tuned(), "lr": settings.backbone_learning_rate},
                {"params": [self.sharpness], "lr": settings.learning_rate, "weight_decay": 0.0},
            ],
            weight_decay=settings.weight_decay,
        )
        steps = settings.epochs * (pictures // settings.batch)

        def factor(step: int) -> float:
            warm = min(1.0, (step + 1) / settings.warmup_steps)
            return warm * 0.5 * (1.0 + math.cos(math.pi * step / steps))

        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def _batches(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        shuffled = self.random.permutation(rows)
        for start in range(0, len(rows) - self.settings.batch + 1, self.settings.batch):
            yield shuffled[start : start + self.settings.batch]

    def _loss(self, pictures: NDArray[np.int64]) -> Tensor:
        mirrored = self.random.integers(0, 2, len(pictures))
        vectors = F.normalize(self.towers.embed_maps(self._maps(pictures, mirrored)), dim=-1)
        scale = self.sharpness.exp().clamp(max=self.settings.sharpest)
        loss = self._caption_loss(vectors, pictures, scale)
        loss = loss + self.settings.keyword_weight * self._keyword_loss(vectors, pictures, scale)
        return loss + self.settings.geometry_weight * self._geometry_loss()

    def _maps(self, pictures: NDArray[np.int64], mirrored: NDArray[np.int64]) -> Tensor:
        maps = np.stack([self.data.maps[m, p] for m, p in zip(mirrored, pictures, strict=True)])
        return torch.from_numpy(maps.astype(np.float32))  # [B, 192, h, w]

    def _caption_loss(self, vectors: Tensor, pictures: NDArray[np.int64], scale: Tensor) -> Tensor:
        rows = np.array([self.random.choice(self.data.captions_of[p]) for p in pictures])
        texts, _ = self.towers.text(*self.data.captions.batch(rows))
        means = self.caption_means[rows]
        same = (means @ means.T > self.settings.same_meaning).to(torch.float32)
        return symmetric_loss(scale * vectors @ texts.T, same.fill_diagonal_(1.0))

    def _keyword_loss(self, vectors: Tensor, pictures: NDArray[np.int64], scale: Tensor) -> Tensor:
        of_picture = self.data.keywords.of_picture
        drawn = {
            int(keyword)
            for p in pictures
            for keyword in self.random.permutation(of_picture[p])[
                : self.settings.keywords_per_picture
            ]
        }
        rows = self.random.permutation(sorted(drawn))[: self.settings.batch]
        texts, _ = self.towers.text(*self.data.keyword_tokens.batch(rows))
        has = np.stack([np.isin(rows, of_picture[p]) for p in pictures])  # [B, K]
        return symmetric_loss(scale * vectors @ texts.T, torch.from_numpy(has).to(torch.float32))

    def _geometry_loss(self) -> Tensor:
        rows = self.random.integers(0, len(self.data.geometry), self.settings.geometry_batch)
        texts: Tensor = self.towers.text(*self.data.geometry.batch(rows))[0]
        means = self.geometry_means[rows]
        return F.mse_loss(texts @ texts.T, means @ means.T)

    @torch.no_grad()
    def recall(self, rows: NDArray[np.int64]) -> dict[int, float]:
        """Text-to-image recall over the pictures `rows` and all their captions."""
        self.towers.eval()
        plain = np.zeros(250, np.int64)
        vectors = torch.cat(
            [
                self.towers.embed_maps(self._maps(part, plain[: len(part)]))
                for part in np.array_split(rows, max(1, len(rows) // 250 + 1))
            ]
        )
        captions = np.concatenate([self.data.captions_of[p] for p in rows])
        owner = np.repeat(np.arange(len(rows)), [len(self.data.captions_of[p]) for p in rows])
        texts = torch.cat(
            [
                self.towers.text(*self.data.captions.batch(part))[0]
                for part in np.array_split(captions, len(captions) // 500 + 1)
            ]
        )
        return recall_at(texts, F.normalize(vectors, dim=-1), torch.from_numpy(owner))


def symmetric_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy along rows and along columns of logits [N, M] with several right answers.

    targets [N, M] are 1 where row and column belong together; rows and columns without any
    are left out.
    """
    return _row_loss(logits, targets) + _row_loss(logits.T, targets.T)


def _row_loss(logits: Tensor, targets: Tensor) -> Tensor:
    kept = targets.sum(1) > 0
    wanted = targets[kept] / targets[kept].sum(1, keepdim=True)
    return -(wanted * logits[kept].log_softmax(1)).sum(1).mean()


class Towers(nn.Module):
    """Backbone, frame head and text head, with the split between frozen and fine-tuned parts."""

    def __init__(self, backbone: EfficientNetLite0, frames: FrameHead, text: TextHead) -> None:
        super().__init__()
        self.backbone, self.frames, self.text = backbone, frames, text
        for parameter in backbone.parameters():
            parameter.requires_grad_(False)
        for parameter in self.tuned():
            parameter.requires_grad_(True)

    def tuned(self) -> list[nn.Parameter]:
        """The parameters of the backbone's fine-tuned stages."""
        return [p for layer in self.backbone.layers[FROZEN_STAGE + 1 :] for p in layer.parameters()]

    def trained(self) -> list[nn.Parameter]:
        """Everything the picture training changes."""
        return [*self.text.parameters(), *self.frames.parameters(), *self.tuned()]

    def train(self, mode: bool = True) -> "Towers":
        """As in torch, but the backbone's batch norms keep their statistics."""
        super().train(mode)
        self.backbone.eval()
        return self

    def embed_maps(self, maps: Tensor) -> Tensor:
        """Maps of the last frozen stage [B, 192, h, w] -> frame vectors [B, D]."""
        with torch.autocast("cpu", torch.bfloat16):  # twice as fast where the CPU has it
            head = self.backbone.stages(maps, FROZEN_STAGE + 1, 8)
        head = head.to(torch.float32)
        vectors: Tensor = self.frames(head, self.backbone.classify(head), self.text)
        return vectors
