"""The gate of networks with end points: how near it is to the detector's own saliency."""

import numpy as np
import pytest
import torch

from encoder.session import Session, SessionOptions, open_session
from grounding.gate import normalise_rows
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.end_points import with_end_points
from grounding.sgdetr.export import export_gate, saliency_parameters
from grounding.sgdetr.model import SGDETR
from tests.grounding.sgdetr.networks import normal, with_recipe

CLIPS, TOKENS = 75, 12
CPU = SessionOptions(threads=1, device="cpu")


@pytest.fixture(scope="module")
def model() -> SGDETR:
    """The full-size network with the golden recipe's weights."""
    return with_recipe(SGDETRConfig.qvhighlights())


@pytest.fixture(scope="module")
def gate(model, tmp_path_factory) -> tuple[Session, Session]:
    folder = tmp_path_factory.mktemp("gate")
    export_gate(model, folder / "clip.onnx", folder / "query.onnx")
    return open_session(folder / "clip.onnx", CPU), open_session(folder / "query.onnx", CPU)


@pytest.fixture(scope="module")
def video():
    return normalise_rows(normal(f"input/video/{CLIPS}", (CLIPS, 512)).astype(np.float32))


@pytest.fixture(scope="module")
def words():
    return normalise_rows(normal(f"input/text/{TOKENS}", (TOKENS, 512)).astype(np.float32))[None]


def difference(model, gate, video, words) -> np.ndarray:
    """|gate - detector's local saliency| [L] of a window's clips, both as logits."""
    clip, query = gate
    scale, bias = saliency_parameters(model)
    mask = np.ones((1, TOKENS), np.float32)
    sentence = query.run({"text": words, "text_mask": mask})["sentence"][0]
    gated = scale * (clip.run({"video": video})["clip"] @ sentence) + bias
    rows, _ = with_end_points(torch.from_numpy(video)[None], torch.ones(1, len(video)))
    with torch.no_grad():
        pooled = model.local_saliency_head(
            model.input_txt_proj(torch.from_numpy(words)), torch.from_numpy(mask)
        )
        own = model.local_saliency_head.score(pooled, model.input_vid_proj(rows))[0].numpy()
    return np.abs(gated - own)


def test_the_newest_clip_of_a_full_window_has_the_detectors_own_saliency(model, gate, video, words):
    assert difference(model, gate, video, words)[-1] < 2e-5


# Logits; the network's own spread over the clips is about 1 with these weights
@pytest.mark.parametrize(
    ("clips", "newest", "last_three"),
    [
        (1, 0.2, 0.2),
        (2, 1.0, 1.0),
        (3, 1.0, 1.5),
        (8, 0.05, 0.75),
        (16, 0.02, 0.1),
        (40, 0.01, 0.06),
    ],
)
def test_before_that_it_is_near(model, gate, video, words, clips, newest, last_three):
    far = difference(model, gate, video[:clips], words)
    assert 0 < far[-1] < newest
    assert far[-3:].max() < last_three


def test_clips_before_the_newest_of_a_full_window_are_near_too(model, gate, video, words):
    assert difference(model, gate, video, words)[-3:].max() < 0.04
