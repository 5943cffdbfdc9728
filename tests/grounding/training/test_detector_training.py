from dataclasses import replace

import numpy as np
import torch

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR
from grounding.training.detector_training import DetectorTraining, train_detector
from grounding.training.samples import Sample, saliency_labels
from grounding.training.streams import Query, Stream

CONFIG = replace(
    SGDETRConfig.live(),
    video_features=8,
    text_features=8,
    width=32,
    ffn_width=32,
    dropout=0.0,
    drop_path=0.0,
    projection_dropout=0.0,
    pooling_dropout=0.0,
)


def compose(random: np.random.Generator, count: int) -> list[Sample]:
    """Half the samples hold one event (clips along an axis) and ask for it or for another."""
    samples = []
    for number in range(count):
        clips = int(random.integers(8, 17))
        start = int(random.integers(0, clips - 3))
        vectors = random.normal(0, 0.1, (clips, 8)).astype(np.float32)
        vectors[start : start + 3, 0] += 1.0
        present = number % 2 == 0
        tokens = np.zeros((2, 8), np.float32)
        tokens[:, 0 if present else 1] = 1.0
        windows = ((2.0 * start, 2.0 * start + 6.0),) if present else ()
        query = Query("x" if present else "y", "present" if present else "plain", windows)
        stream = Stream(np.zeros((clips, 8), np.int32), (), "pictures", "none", None, (query,))
        samples.append(
            Sample(
                vectors,
                tokens,
                np.array(windows, np.float64).reshape(-1, 2),
                saliency_labels(stream.saliency(query)),
                stream,
                query,
            )
        )
    return samples


def test_training_learns_where_an_event_is_and_when_it_is_not_there() -> None:
    torch.manual_seed(0)
    model = SGDETR(CONFIG)
    lines: list[str] = []
    settings = DetectorTraining(
        samples=1280, batch=16, pool=320, learning_rate=2e-3, clip_norm=1.0, half_share=0.0
    )
    train_detector(model, compose, settings, lines.append)
    assert len(lines) == 4
    assert not model.training
    samples = compose(np.random.default_rng(5), 20)
    shown, hidden = [], []
    with torch.no_grad():
        for sample in samples:
            length = -(-len(sample.vectors) // 4) * 4
            video = torch.zeros(1, length, 8)
            mask = torch.zeros(1, length)
            rows = sample.vectors / np.linalg.norm(sample.vectors, axis=1, keepdims=True)
            video[0, : len(rows)] = torch.from_numpy(rows)
            mask[0, : len(rows)] = 1.0
            made = model(video, mask, torch.from_numpy(sample.tokens)[None], torch.ones(1, 2))
            saliency = made.global_saliency[0, : len(rows)].numpy()
            if len(sample.windows):
                shown.append(saliency[sample.saliency > 0].mean())
                assert sample.saliency[saliency.argmax()] > 0
            else:
                hidden.append(saliency.max())
    assert np.median(shown) > np.median(hidden)
