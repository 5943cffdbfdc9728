"""Assembling `watchword-lite`: towers, detector, calibration and what was measured, in a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from encoder.bundle import load_bundle
from encoder.export import export_text_tower, export_video_tower
from encoder.int8 import quantise
from encoder.manifest import Manifest, Precision, Source, SpaceEntry, write_manifest
from encoder.onnx_weights import store_fp16_file
from encoder.training.clip_features import ClipComposer
from encoder.training.lite import SPACE, load_towers, train_towers
from encoder.training.retrieval import recall_at
from encoder.training.retrieval_check import bundle_recall
from encoder.training.towers import MotionHead, VideoTower
from encoder.training.weights import EFFICIENTNET_LITE0, MINILM, load_minilm, minilm_tokenizer
from grounding.sgdetr.export import export_detector, export_gate
from grounding.training.footage import FOLDS
from grounding.training.judge import Judgement, detector_settings, judge
from grounding.training.lite import (
    Material,
    Workshop,
    fit,
    load_fit,
    load_material,
    pretrain,
)

Say = Callable[[str], None]
NAME, VERSION = "watchword-lite", "1"
PRECISION: dict[str, Precision] = {
    "video.onnx": "fp16",
    "text.onnx": "int8",
    "detector.onnx": "fp16",
    "gate_clip.onnx": "fp16",
    "gate_query.onnx": "fp16",
}
LICENSE = "for research and demonstration: some of the training data forbids commercial use"
DESCRIPTION = (
    "A small video-text encoder (EfficientNet-Lite0, MiniLM) and an SG-DETR for a CPU: "
    "good enough to try Watchword, not to rely on."
)
LIMITS = [
    "It was taught with 7,000 photographs and a few hundred short clips: what they do not show, "
    "it mostly does not know.",
    "It sees the whole frame at 320x192: small or distant people and things are lost.",
    "Crashes, fights, falls and lying were learned from few cameras: on cameras it never saw it "
    "tells them no better than a probe that sees only the background. Expect misses.",
    "It reads English only, and neither counts, nor reads signs, nor recognises persons.",
]
SOURCES = [
    Source(
        name="EfficientNet-Lite0, ImageNet",
        license=EFFICIENTNET_LITE0.license,
        origin=EFFICIENTNET_LITE0.origin,
        used_for="the picture backbone",
    ),
    Source(
        name="all-MiniLM-L6-v2", license=MINILM.license, origin=MINILM.origin, used_for="the words"
    ),
]
TRAINED_ON = [
    Source(name="Flickr8k", license="research, non-commercial", used_for="pictures and captions"),
    Source(
        name="CCTV accident frames (two packs of one source)",
        license="none stated / CC BY 4.0",
        used_for="crashes, traffic",
    ),
    Source(name="CCTV fights", license="MIT", used_for="fights, calm people"),
    Source(name="fall pictures", license="none stated", used_for="falls"),
    Source(name="synthetic bed falls", license="CC BY 4.0", used_for="falls, lying down"),
    Source(name="UP-Fall", license="research", used_for="falls, daily life"),
    Source(name="fire pictures", license="MIT", used_for="fire"),
    Source(
        name="UCF-Crime Annotation (sentences only)",
        license="Apache-2.0",
        used_for="text geometry, absent queries",
    ),
]


def make_lite(shop: Workshop, folder: Path, say: Say) -> Manifest:
    """Everything, from the data folder to the bundle in `folder`; finished steps are not repeated.

    Raises TrainingError or WeightsError (encoder's) if data or published weights are missing.
    """
    train_towers(shop.data, shop.cache, say)
    material = load_material(shop)
    pretrain(shop, material, say)
    for fold in (*range(FOLDS), None):
        say(f"fitting {'everything' if fold is None else f'without fold {fold}'}")
        fit(shop, material, fold, say)
    judgement = judge(shop, material, say)
    say(judgement.report.table())
    return build_bundle(shop, material, judgement, folder, say)


def build_bundle(
    shop: Workshop, material: Material, judgement: Judgement, folder: Path, say: Say
) -> Manifest:
    """Write the bundle of the final fit to `folder`, measure its recall, and load it once."""
    folder.mkdir(parents=True, exist_ok=True)
    towers, _ = load_towers(shop.cache)
    motion, model = load_fit(shop, None)
    weights = shop.cache / "weights"
    # The largest matrices of the video tower as int8, or the bundle outgrows its budget
    quantise(towers.frames.whole)
    quantise(towers.backbone)  # its classifier: all else there are convolutions
    video = VideoTower(towers.backbone, towers.frames, motion, towers.text).eval()
    say(f"video.onnx: {export_video_tower(video, folder / 'video.onnx', SPACE)}")
    language = quantise(load_minilm(weights))
    say(f"text.onnx: {export_text_tower(language, towers.text, folder / 'text.onnx')}")
    (folder / "tokenizer.json").write_bytes(minilm_tokenizer(weights))
    export_detector(model, folder / "detector.onnx")
    export_gate(model, folder / "gate_clip.onnx", folder / "gate_query.onnx")
    for name in ("detector.onnx", "gate_clip.onnx", "gate_query.onnx"):
        store_fp16_file(folder / name, folder / name)
    manifest = Manifest(
        name=NAME,
        version=VERSION,
        license=LICENSE,
        description=DESCRIPTION,
        sources=SOURCES,
        trained_on=TRAINED_ON,
        limits=LIMITS,
        space=SpaceEntry.of(SPACE),
        detector=msgspec.to_builtins(detector_settings(model, judgement.gate_threshold)),
        calibration=msgspec.to_builtins(judgement.calibration),
        accuracy=accuracy(judgement),
    )
    write_manifest(folder, manifest, PRECISION)
    figures = {
        "flickr8k_t2i": bundle_recall(load_bundle(folder), shop.data, shop.cache, say),
        "flickr8k_t2i_float32": float32_recall(material, motion),
    }
    rounded = {
        name: {f"r{rank}": round(value, 4) for rank, value in recall.items()}
        for name, recall in figures.items()
    }
    measured = msgspec.structs.replace(manifest, accuracy=manifest.accuracy | rounded)
    return write_manifest(folder, measured, PRECISION)


def float32_recall(material: Material, motion: MotionHead) -> dict[int, float]:
    """What `bundle_recall` measures, before any weight was rounded."""
    stills = [item for item in material.index if item.captions and item.split == "test"]
    rows = np.array([[item.row] * SPACE.frames_per_clip for item in stills], np.int32)
    texts = [text for item in stills for text in item.captions]
    owner = np.repeat(np.arange(len(stills)), [len(item.captions) for item in stills])
    return recall_at(
        material.texts.pooled(texts),
        torch.from_numpy(ClipComposer(material.store, motion).vectors(rows)),
        torch.from_numpy(owner),
    )


def accuracy(judgement: Judgement) -> dict[str, Any]:
    """The manifest's accuracy section, all of it out-of-fold."""
    return {
        "out_of_fold": judgement.report.as_dict(),
        "gate_absent_clips_passed": round(judgement.gate_passes, 4),
        "presence_auc_without_motion": round(judgement.still_auc, 4),
        "presence_auc_with_motion": round(judgement.moving_auc, 4),
        "presence_auc_zero_shot": judgement.zero_shot,
    }
