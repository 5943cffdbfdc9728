"""Stage 2 at its published size, weights by chance: converted, tested and watched on a CPU.

Needs about 16 GB of memory and 13 GB of disk.
"""

import resource
from pathlib import Path

import pytest
import torch
from torch import Tensor

from encoder.bert import BertConfig
from encoder.bundle import load_bundle
from encoder.internvideo2.bert import Stage2Text
from encoder.internvideo2.config import VARIANTS
from encoder.internvideo2.tokenizer_file import UNCASED
from encoder.internvideo2.tower import VideoTower
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR
from tests.e2e.checkpoints import saved
from tests.e2e.conftest import watchword_process
from tests.grounding.sgdetr.networks import recipe_state
from tests.streamer.media import Video, write_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not UNCASED.is_file(), reason="the tokenizer is not here"),
]
LARGE = BertConfig(width=1024, layers=24, heads=16, hidden=4096)
TEXT_LAYERS = 19
GIGABYTE = 2**30
CONVERSION_SECONDS = 3000


def by_chance(key: str, shape: torch.Size) -> Tensor:
    """Small bfloat16 weights; norms and gammas near one, so that no block is idle."""
    values = torch.randn(shape, dtype=torch.bfloat16) * 0.02
    return values + 1 if key.endswith((".gamma", "norm1.weight", "norm2.weight")) else values


def official_bert() -> dict[str, torch.Size]:
    """Shapes of all 24 layers under their published names, the cross-attention of five of them."""
    shapes: dict[str, torch.Size] = {}
    with torch.device("meta"):
        tower = Stage2Text(LARGE, 512)
    own = {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "merge": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "widen": "intermediate.dense",
        "narrow": "output.dense",
        "output_norm": "output.LayerNorm",
    }
    outer = {
        "words": "word_embeddings",
        "positions": "position_embeddings",
        "types": "token_type_embeddings",
        "norm": "LayerNorm",
    }
    for name, value in tower.state_dict().items():
        module, leaf = name.removeprefix("bert.").rsplit(".", 1)
        if module.startswith("blocks."):
            _, layer, part = module.split(".")
            key = f"text_encoder.bert.encoder.layer.{layer}.{own[part]}.{leaf}"
        elif module in outer:
            key = f"text_encoder.bert.embeddings.{outer[module]}.{leaf}"
        else:
            key = name
        shapes[key] = value.shape
    for layer in range(TEXT_LAYERS, LARGE.layers):
        at = f"text_encoder.bert.encoder.layer.{layer}.crossattention.self.key.weight"
        shapes[at] = torch.Size((1024, 1408))
    return shapes


def stage2_file(folder: Path) -> Path:
    with torch.device("meta"):
        tower = VideoTower(VARIANTS["stage2-1b"])
    shapes = {key: value.shape for key, value in tower.state_dict().items()} | official_bert()
    torch.manual_seed(0)
    state = {key: by_chance(key, shape) for key, shape in shapes.items()}
    return saved(folder / "InternVideo2-stage2_1b-224p-f4.pt", {"module": state})


def sg_detr_file(folder: Path) -> Path:
    state = recipe_state(SGDETR(SGDETRConfig.qvhighlights()))
    content = {"state_dict": state, "pytorch-lightning_version": "2.1.0"}
    return saved(folder / "qvhighlights.ckpt", content)


def test_stage_2_at_its_published_size(tmp_path: Path) -> None:
    out = tmp_path / "internvideo2-1b"
    words = ("--internvideo2", stage2_file(tmp_path), "--sg-detr", sg_detr_file(tmp_path))
    done = watchword_process(
        "bundles", "convert", *words, "--out", out, "--json", seconds=CONVERSION_SECONDS
    )
    assert done.code == 0, done.err
    (report,) = done.objects
    assert report["variant"] == "stage2-1b"
    assert min(report["self_test"].values()) >= 0.9999
    bundle = load_bundle(out)
    assert (bundle.space.dims, bundle.space.frames_per_clip, bundle.space.width) == (512, 4, 224)
    assert {"video.onnx.data", "video_tensorrt.onnx.data"} <= set(bundle.manifest.files)
    film = write_video(tmp_path / "yard.mp4", Video(width=320, height=180), 60)
    query = ("--query", "a red car stops", "--threshold", "0.5", "--bundle", out)
    watched = watchword_process("watch", film, *query, "--json", seconds=CONVERSION_SECONDS)
    assert watched.code == 0, watched.err
    assert watched.summary["clips"] >= 3
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert peak < 16 * GIGABYTE, f"{peak / GIGABYTE:.1f} GB"
