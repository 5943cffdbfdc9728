import numpy as np
import pytest
import torch

from encoder.efficientnet import EfficientNetLite0
from encoder.training.keywords import Keywords
from encoder.training.picture_data import PictureData
from encoder.training.picture_training import (
    PictureTrainer,
    PictureTraining,
    Towers,
    symmetric_loss,
)
from encoder.training.token_store import TokenStore
from encoder.training.towers import FrameHead, TextHead, TowerSettings

SETTINGS = TowerSettings(dims=16, text_dims=12, hidden=24, heads=4, dropout=0.0)
PICTURES = 6


def tokens(random: np.random.Generator, texts: int) -> TokenStore:
    hidden = random.normal(size=(3 * texts, 12)).astype(np.float16)
    return TokenStore(hidden, np.arange(0, 3 * texts + 1, 3))


@pytest.fixture
def trainer() -> PictureTrainer:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    data = PictureData(
        maps=random.normal(size=(2, PICTURES, 192, 3, 4)).astype(np.float16),
        captions=tokens(random, 2 * PICTURES),
        captions_of=tuple(np.array([2 * p, 2 * p + 1]) for p in range(PICTURES)),
        keyword_tokens=tokens(random, PICTURES),
        keywords=Keywords(tuple("abcdef"), tuple((p,) for p in range(PICTURES))),
        geometry=tokens(random, 8),
    )
    towers = Towers(
        EfficientNetLite0(), FrameHead(SETTINGS, torch.randn(1000, 12)), TextHead(SETTINGS)
    )
    settings = PictureTraining(
        epochs=25, batch=PICTURES, warmup_steps=1, geometry_batch=8, learning_rate=3e-3
    )
    return PictureTrainer(towers, data, settings)


def test_the_loss_is_log_n_where_nothing_is_known() -> None:
    loss = symmetric_loss(torch.zeros(5, 5), torch.eye(5))
    torch.testing.assert_close(loss, torch.tensor(2 * np.log(5.0), dtype=torch.float32))


def test_several_right_answers_share_the_target() -> None:
    logits = torch.tensor([[9.0, 9.0, -99.0], [-99.0, -99.0, 9.0]])
    targets = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    half = torch.tensor(np.log(2.0) / 2)  # of the first row; all else is certain
    torch.testing.assert_close(symmetric_loss(logits, targets), half.float())


def test_rows_without_an_answer_are_left_out() -> None:
    logits = torch.randn(3, 2)
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    finite = symmetric_loss(logits, targets)
    assert torch.isfinite(finite)
    changed = logits.clone()
    changed[2] -= 50.0  # far below the others, it hardly counts in their columns either
    assert torch.isfinite(symmetric_loss(changed, targets))


def test_training_teaches_which_caption_belongs_to_which_picture(trainer: PictureTrainer) -> None:
    rows = np.arange(PICTURES)
    before = trainer.recall(rows)[1]
    lines: list[str] = []
    trainer.run(rows, lines.append)
    assert len(lines) == trainer.settings.epochs
    assert trainer.recall(rows)[1] > max(before, 0.6)


def test_the_frozen_stages_stay_as_they_are(trainer: PictureTrainer) -> None:
    backbone = trainer.towers.backbone
    frozen = [p.clone() for p in backbone.layers[:7].parameters()]
    statistics = backbone.layers[8].bn.running_mean.clone()
    trainer.run(np.arange(PICTURES), lambda line: None)
    for was, now in zip(frozen, backbone.layers[:7].parameters(), strict=True):
        torch.testing.assert_close(was, now)
    torch.testing.assert_close(statistics, backbone.layers[8].bn.running_mean)
