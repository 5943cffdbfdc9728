"""Files as their authors publish them, at reduced size: 64 joint dimensions, pictures of 56."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR
from tests.encoder.internvideo2.official import listed, mobileclip_state, stage2_state, weight
from tests.encoder.internvideo2.vocabularies import small_tokenizer
from tests.grounding.sgdetr.networks import recipe_state

JOINT = 64


@dataclass(frozen=True)
class Files:
    """What `watchword bundles convert` is given."""

    stage2: Path
    stage2_tokenizer: Path
    distilled: Path
    delta: Path
    mobileclip: Path
    mobileclip_tokenizer: Path
    sg_detr: Path
    tvsum: Path


def make_files(folder: Path) -> Files:
    state = stage2_state()
    vision, delta = distilled_states()
    return Files(
        stage2=saved(folder / "InternVideo2-stage2.pt", {"module": halved(state)}),
        stage2_tokenizer=small_tokenizer(folder / "tokenizer-1000.json", 1000),
        distilled=saved(folder / "S14_dist.bin", vision),
        delta=saved(folder / "S14_clip.bin", delta),
        mobileclip=saved(folder / "mobileclip_blt.pt", mobileclip_state()),
        mobileclip_tokenizer=small_tokenizer(folder / "tokenizer-600.json", 600),
        sg_detr=saved(folder / "qvhighlights.ckpt", lightning(SGDETRConfig.qvhighlights())),
        tvsum=saved(folder / "tvsum.ckpt", lightning(SGDETRConfig.tvsum())),
    )


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As published: bfloat16 throughout."""
    return {k: v.bfloat16() if v.is_floating_point() else v for k, v in state.items()}


def distilled_states() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The vision file, without prefix and with its decoders, and the delta over it."""
    keys = {key: shape for key, (shape, _) in listed("iv2_distilled_keys.tsv").items()}
    encoder = "vision_encoder."
    vision = {
        key.removeprefix(encoder): weight(key, shape)
        for key, shape in keys.items()
        if key.startswith(encoder)
    }
    of_delta = (f"{encoder}clip_projector.", "vision_align.")
    delta = {k: weight(k, shape) for k, shape in keys.items() if k.startswith(of_delta)}
    stale = {k: torch.zeros_like(v) for k, v in vision.items() if k.startswith("clip_projector.")}
    heads = {
        "clip_pos_embed": torch.zeros(1, 129, 128),
        "clip_decoder.0.head.0.weight": torch.zeros(8, 128),
        "final_clip_decoder.norm.weight": torch.zeros(8),
    }
    return vision | stale | heads, delta | {"temp": torch.tensor(0.01)}


def lightning(config: SGDETRConfig) -> dict[str, object]:
    """An SG-DETR of the published sizes for the reduced encoders' vectors."""
    model = SGDETR(replace(config, video_features=JOINT, text_features=JOINT))
    return {
        "state_dict": recipe_state(model),
        "pytorch-lightning_version": "2.1.0",
        "hyper_parameters": {"metrics_mode": "max"},
        "epoch": 1,
    }
