"""The detector of `watchword-lite`: pre-training, folds, the final fit.

Pre-training sees only Flickr8k's training pictures, so it is outside every fold. A fold then
trains a motion head and fine-tunes the detector on footage of the other source groups.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from encoder.training.clip_features import ClipComposer, FrameStore, compute_frames
from encoder.training.lite import SETTINGS, load_towers
from encoder.training.motion_training import MotionData, MotionTraining, train_motion
from encoder.training.stages import FrameFeatures
from encoder.training.text_library import TextLibrary
from encoder.training.towers import MotionHead
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR
from grounding.training.compose import Composer, Mix
from grounding.training.detector_training import DetectorTraining, train_detector
from grounding.training.event_samples import ClipDrawer, EventComposer
from grounding.training.footage import Footage
from grounding.training.frame_cache import build_cache, open_frames, read_index, unpack
from grounding.training.phrases import Part, phrases_of
from grounding.training.pools import ASKED, Pools, evaluation_footage, training_footage
from grounding.training.questions import Asker, read_uca

Report = Callable[[str], None]
PRETRAINING = DetectorTraining(samples=20_480, learning_rate=4e-4)
NETWORK = replace(
    SGDETRConfig.live(), dropout=0.05, drop_path=0.05, projection_dropout=0.2, pooling_dropout=0.05
)
FINE_TUNING = DetectorTraining(samples=2_560, learning_rate=2e-4)
_TIMED = frozenset(
    {"fall", "accident", "fight", "walking", "picking_up", "jumping", "getting_into_bed"}
)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where things are: the data folder and the cache that every step reads and writes."""

    data: Path
    cache: Path

    def folder(self, fold: int | None) -> Path:
        """Where a fold's weights are; None: those fitted on everything."""
        return self.cache / ("final" if fold is None else f"fold-{fold}")


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Everything that is loaded once: footage, frame features, texts."""

    index: list[Footage]
    store: FrameStore
    texts: TextLibrary
    uca: list[str]

    def composer(
        self, footage: list[Footage], seed: int, part: Part | None = "train", mix: Mix | None = None
    ) -> Composer:
        """Composes streams of `footage` only; `part` says which phrasings are asked."""
        random = np.random.default_rng(seed)
        pictures = [item for item in footage if item.captions]
        return Composer(Pools(footage), Asker(random, pictures, self.uca, part), random, mix)


def load_material(shop: Workshop) -> Material:
    """Frame cache and frame features, computed on first use (minutes, about 6 GB)."""
    towers, texts = load_towers(shop.cache)
    if not (shop.cache / "footage.json").is_file():
        build_cache(unpack(shop.data, shop.cache / "unpacked"), shop.cache)
    store = compute_frames(
        FrameFeatures(towers.backbone, towers.frames, towers.text),
        open_frames(shop.cache),
        shop.cache / "store",
    )
    uca = read_uca(shop.data / "annotations" / "uca" / "UCFCrime_Train.json")
    return Material(read_index(shop.cache), store, texts, uca)


def pretrain(shop: Workshop, material: Material, report: Report) -> Path:
    """Train the detector on streams of pictures, without any motion; returns its weights' file."""
    path = shop.cache / "pretrained.pt"
    if not path.is_file():
        footage = [f for f in training_footage(material.index, None) if f.source == "flickr8k"]
        mix = Mix(categories=(0.55, 0.2, 0.05, 0.2), layouts=(0.0, 0.0, 1.0), extra_query=1.0)
        clips = ClipComposer(material.store, MotionHead(SETTINGS))  # untrained, it adds nothing
        composer = material.composer(footage, seed=1, mix=mix)
        compose = EventComposer(composer, clips.vectors, material.texts.tokens)
        model = new_detector()
        train_detector(model, compose, PRETRAINING, report)
        torch.save(model.state_dict(), path)
    return path


def fit(shop: Workshop, material: Material, fold: int | None, report: Report) -> None:
    """Train motion head and detector without the footage of `fold` (None: on everything)."""
    folder = shop.folder(fold)
    if (folder / "detector.pt").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    footage = training_footage(material.index, fold)
    motion = fit_motion(material, footage, report)
    torch.save(motion.state_dict(), folder / "motion.pt")
    model = new_detector()
    model.load_state_dict(torch.load(shop.cache / "pretrained.pt", weights_only=True))
    clips = ClipComposer(material.store, motion)
    composer = material.composer(footage, seed=3)
    compose = EventComposer(composer, clips.vectors, material.texts.tokens)
    train_detector(model, compose, FINE_TUNING, report)
    torch.save(model.state_dict(), folder / "detector.pt")


def fit_motion(material: Material, footage: list[Footage], report: Report) -> MotionHead:
    """A motion head trained on `footage`."""
    torch.manual_seed(2)
    motion = MotionHead(SETTINGS)
    random = np.random.default_rng(2)
    stills = [item for item in footage if item.captions]
    chosen = [stills[row] for row in random.permutation(len(stills))[:2000]]
    data = MotionData(
        draw=ClipDrawer(material.composer(footage, seed=2)),
        phrases=tuple(material.texts.pooled(phrases_of(concept, "train")) for concept in ASKED),
        timed=np.array([concept in _TIMED for concept in ASKED]),
        still_rows=np.array([item.row for item in chosen], np.int32),
        still_texts=torch.stack([material.texts.pooled(item.captions[:2]) for item in chosen]),
    )
    train_motion(motion, material.store, data, MotionTraining(), report)
    return motion


def load_fit(shop: Workshop, fold: int | None) -> tuple[MotionHead, SGDETR]:
    """The motion head and the detector of a fold, in evaluation mode."""
    folder = shop.folder(fold)
    motion, model = MotionHead(SETTINGS), new_detector()
    motion.load_state_dict(torch.load(folder / "motion.pt", weights_only=True))
    model.load_state_dict(torch.load(folder / "detector.pt", weights_only=True))
    return motion.eval(), model.eval()


def load_pretrained(shop: Workshop) -> SGDETR:
    """The detector before it saw any event, in evaluation mode."""
    model = new_detector()
    model.load_state_dict(torch.load(shop.cache / "pretrained.pt", weights_only=True))
    return model.eval()


def held_out(material: Material, fold: int) -> list[Footage]:
    """The footage that a fold may be judged on."""
    return evaluation_footage(material.index, fold)


def new_detector() -> SGDETR:
    """SG-DETR's live variant with this recipe's dropouts."""
    torch.manual_seed(0)
    return SGDETR(NETWORK)
