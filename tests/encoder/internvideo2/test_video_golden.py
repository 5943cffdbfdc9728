"""The video tower against the official code's figures, of every stage of every case."""

import numpy as np
import pytest
import torch
from torch import Tensor

from encoder.internvideo2.load import load_video
from encoder.internvideo2.tower import VideoTower
from tests.encoder.internvideo2.official import GOLDEN, listed, stage2_state, weight

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "iv2_stage2_vision.npz").exists(), reason="golden figures are not here"
)
CASES = {
    "stage2/video4": {},
    "stage2/image1": {},
    "stage2/video8_from4": {"frames": 8},
    "distilled/video8": {},
}
VISION = ("vision_encoder.", "vision_proj.", "vision_align.")


def distilled_state() -> dict[str, Tensor]:
    keys = listed("iv2_distilled_keys.tsv")
    return {key: weight(key, shape) for key, (shape, _) in keys.items()}


def state_of(layout: str) -> dict[str, Tensor]:
    return stage2_state() if layout == "stage2" else distilled_state()


def stages(tower: VideoTower, pixels: Tensor) -> dict[str, Tensor]:
    encoder = tower.vision_encoder
    out = {"tokens_in": encoder.embed(pixels), "pos_embed": encoder.pos_embed}
    tokens = out["tokens_in"]
    for number, block in enumerate(encoder.blocks):
        tokens = out[f"block{number}"] = block(tokens)
    out["pooled"] = encoder.clip_projector(tokens)
    out["projected"] = tower.project(out["pooled"])
    out["embedding"] = tower(pixels)
    return out


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_every_stage_is_the_official_one(case: str) -> None:
    layout = case.split("/")[0]
    tower, _ = load_video(state_of(layout), **CASES[case])
    with np.load(GOLDEN / f"iv2_{layout}_vision.npz") as archive:
        wanted = {key.removeprefix(f"{case}/"): archive[key] for key in archive if case in key}
    found = stages(tower, torch.from_numpy(wanted.pop("input")))
    assert {"embedding", "pooled"} <= wanted.keys()
    for name, expected in wanted.items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("layout", ["stage2", "distilled"])
def test_what_is_used_and_dropped_is_what_the_list_says(layout: str) -> None:
    _, report = load_video(state_of(layout))
    keys = {key: use for key, (_, use) in listed(f"iv2_{layout}_keys.tsv").items()}
    ours = {key: use for key, use in keys.items() if not key.startswith(("text_", "temp"))}
    assert set(report.loaded) == {key for key, use in ours.items() if use == "use"}
    assert set(report.dropped) == {key for key, use in ours.items() if use == "drop"}
    assert all(key.startswith(VISION) for key in report.loaded)
    assert len(report.loaded) + len(report.dropped) == len(ours)
