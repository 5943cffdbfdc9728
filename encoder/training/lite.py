"""The towers of `watchword-lite`, from the data folder to files kept in the cache."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import msgspec
import numpy as np
import torch
from tokenizers import Tokenizer

from encoder.efficientnet import MEAN, STD
from encoder.errors import TrainingError
from encoder.space import EmbeddingSpace
from encoder.training.flickr8k import read_flickr8k
from encoder.training.picture_data import Language, picture_data
from encoder.training.picture_training import PictureTrainer, PictureTraining, Towers
from encoder.training.text_library import TextLibrary
from encoder.training.towers import FrameHead, TextHead, TowerSettings
from encoder.training.weights import load_efficientnet, load_minilm, minilm_tokenizer

Report = Callable[[str], None]
SETTINGS = TowerSettings(dropout=0.25)
SPACE = EmbeddingSpace(
    model="watchword-lite-1",
    dims=SETTINGS.dims,
    clip_seconds=2.0,
    frames_per_clip=8,
    width=320,
    height=192,
    kernel="area",
    mean=(MEAN, MEAN, MEAN),
    std=(STD, STD, STD),
)
_CLASSES = Path(__file__).parent / "imagenet_classes.txt"


def train_towers(data: Path, cache: Path, report: Report) -> Path:
    """Train frame head and text head; returns the file of their weights.

    `data` holds flickr8k.tar and annotations/uca; published weights are fetched into
    `cache / "weights"`. Raises TrainingError if data is missing, WeightsError if weights are.
    """
    path = cache / "towers.pt"
    if path.is_file():
        return path
    torch.manual_seed(0)
    flickr = read_flickr8k(data, cache)
    towers, language = _new_towers(cache)
    pictures = picture_data(flickr, towers.backbone, language, data, cache)
    trainer = PictureTrainer(towers, pictures, PictureTraining())
    trainer.run(np.concatenate([flickr.splits["train"], flickr.splits["dev"]]), report)
    recall = trainer.recall(flickr.splits["test"])
    report(f"Flickr8k test, text to image: {_percentages(recall)}")
    figures = {f"flickr8k_t2i_r{k}": round(v, 4) for k, v in recall.items()}
    (cache / "towers.json").write_bytes(msgspec.json.encode(figures | asdict(trainer.settings)))
    torch.save(towers.state_dict(), path)
    return path


def load_towers(cache: Path) -> tuple[Towers, TextLibrary]:
    """The trained towers in evaluation mode, and the text side ready to embed.

    Raises TrainingError if they were not trained yet.
    """
    path = cache / "towers.pt"
    if not path.is_file():
        raise TrainingError(f"{path} is missing: run `watchword train towers` first")
    towers, language = _new_towers(cache)
    towers.load_state_dict(torch.load(path, weights_only=True))
    towers.eval()
    return towers, TextLibrary(language.model, language.tokenizer, towers.text)


def _new_towers(cache: Path) -> tuple[Towers, Language]:
    weights = cache / "weights"
    language = Language(
        load_minilm(weights), Tokenizer.from_str(minilm_tokenizer(weights).decode())
    )
    classes = _CLASSES.read_text().splitlines()
    means = language.tokens(classes, cache).means()  # [1000, 384]
    text = TextHead(SETTINGS)
    towers = Towers(load_efficientnet(weights), FrameHead(SETTINGS, means), text)
    return towers, language


def _percentages(recall: dict[int, float]) -> str:
    return ", ".join(f"R@{k} {100 * value:.1f} %" for k, value in recall.items())
