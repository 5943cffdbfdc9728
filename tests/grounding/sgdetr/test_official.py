"""The authors' checkpoints: recognised by their tensors, loaded strictly, or refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from encoder.checkpoint import Checkpoint, read_state
from encoder.errors import CheckpointError, ModelError
from encoder.space import EmbeddingSpace
from grounding.errors import WeightsError
from grounding.settings import DetectorSettings
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.export import export_detector, export_gate, saliency_parameters
from grounding.sgdetr.export_check import check_export
from grounding.sgdetr.model import SGDETR
from grounding.sgdetr.official import FILES, VARIANTS, detector_from, export_official
from tests.encoder.checkpoint.crafted import text, write_lightning
from tests.grounding.sgdetr.networks import GOLDEN, recipe_state, small, with_recipe

SPACE = EmbeddingSpace(
    model="internvideo2-s2-1b",
    dims=512,
    clip_seconds=2.0,
    frames_per_clip=4,
    width=224,
    height=224,
    kernel="bicubic",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


def state_of(preset: str) -> dict[str, torch.Tensor]:
    return recipe_state(SGDETR(getattr(SGDETRConfig, preset)()))


@pytest.fixture(scope="module")
def states():
    return {preset: state_of(preset) for preset in ("qvhighlights", "tacos", "tvsum")}


def checkpoint(state) -> Checkpoint:
    return Checkpoint(Path("best.ckpt"), "0" * 64, dict(state), "lightning")


@pytest.mark.parametrize("preset", ["qvhighlights", "tacos"])
def test_lightning_files_of_the_authors_layout_are_loaded(states, preset, tmp_path):
    path = write_lightning(tmp_path / "best.ckpt", states[preset])
    found = detector_from(read_state(path))
    assert found.variant == preset
    assert not found.model.training
    assert len(found.sha256) == 64
    own = found.model.state_dict()
    assert all(torch.equal(own[key], states[preset][f"model.{key}"]) for key in own)
    used, aside = len(found.report.loaded), len(found.report.dropped)
    assert used + aside == len(states[preset])
    assert f"{used} tensors loaded, {aside} dropped" in found.sentence


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden figures are not here")
def test_the_file_of_qvhighlights_has_the_official_keys(states):
    rows = (GOLDEN / "state_dict_keys.tsv").read_text().splitlines()
    official = {row.split("\t")[0] for row in rows if row.startswith("model.")}
    assert states["qvhighlights"].keys() == official
    assert len(official) == 359 + 4


@pytest.mark.parametrize(
    ("given", "said", "variant", "words"),
    [
        ("qvhighlights", None, "qvhighlights", "assumed: Charades-STA has the same tensors"),
        ("qvhighlights", "charades", "charades", "SG-DETR of Charades-STA (as you said)"),
        ("qvhighlights", "qvhighlights", "qvhighlights", "as you said"),
        ("tacos", None, "tacos", "SG-DETR of TACoS (by its tensors)"),
        ("tvsum", None, "tvsum", "assumed: YouTube Highlights has the same tensors"),
        ("tvsum", "youtube", "youtube", "as you said"),
    ],
)
def test_variants_are_told_apart_as_far_as_tensors_can(states, given, said, variant, words):
    found = detector_from(checkpoint(states[given]), said)
    assert found.variant == variant
    assert words in found.sentence
    assert found.model.config == VARIANTS[variant].config()


@pytest.mark.parametrize(
    ("given", "said", "sentence"),
    [
        ("tacos", "qvhighlights", "no SG-DETR of QVHighlights: its tensors are those of TACoS"),
        ("qvhighlights", "tacos", "those of QVHighlights or Charades-STA"),
        ("tvsum", "charades", "those of TVSum or YouTube Highlights"),
        ("qvhighlights", "activitynet", "'activitynet' is no variant of SG-DETR: say qvhighlights"),
    ],
)
def test_a_variant_that_it_cannot_be_is_refused(states, given, said, sentence):
    with pytest.raises(WeightsError, match=sentence):
        detector_from(checkpoint(states[given]), said)


def test_weights_of_half_precision_and_without_prefix_are_loaded(states):
    halved = {
        key.removeprefix("model."): value if value.dtype == torch.float64 else value.bfloat16()
        for key, value in states["tacos"].items()
    }
    model = detector_from(checkpoint(halved)).model
    assert {value.dtype for value in model.parameters()} == {torch.float32}


def test_what_only_trains_may_be_missing(states):
    aside = ("model.sent_encoder.", "model.moment_encoder.", "model.txt_position_embed.")
    some = {key: value for key, value in states["tacos"].items() if not key.startswith(aside)}
    found = detector_from(checkpoint(some))
    assert not any(key.startswith("sent_encoder.") for key in found.report.dropped)


TEMP, NORM = "model.local_saliency_head.temp", "model.det_encoder.encoder.layers.0.norm1.weight"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({TEMP: None}, r"best\.ckpt: .*missing local_saliency_head\.temp"),
        ({"model.criterion.weight": torch.ones(2)}, r"unknown criterion\.weight"),
        ({NORM: torch.ones(128)}, r"norm1\.weight has shape \[128\], not \[256\]"),
        ({NORM: torch.ones(256, dtype=torch.int64)}, r"norm1\.weight holds torch\.int64"),
        (
            {"model.input_vid_proj.linear_mapper.0.mapper.2.weight": None},
            "not an SG-DETR",
        ),
        (
            {"model.aux_det_head.anchor_generator.cell_anchors.1": torch.zeros(1, 2).double()},
            "cell_anchors.1 holds",
        ),
    ],
)
def test_every_difference_is_refused_by_name(states, change, sentence):
    state = {**states["tacos"], **change}
    kept = {key: value for key, value in state.items() if value is not None}
    with pytest.raises(WeightsError, match=sentence):
        detector_from(checkpoint(kept))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(states, value):
    bad = states["tacos"][NORM].clone()
    bad[7] = value
    with pytest.raises(CheckpointError, match=r"norm1\.weight holds NaN or infinity"):
        detector_from(checkpoint({**states["tacos"], NORM: bad}))


def test_three_pooling_layers_were_never_released(states):
    config = replace(SGDETRConfig.qvhighlights(), pooling_layers=3)
    with pytest.raises(WeightsError, match="number of pooling layers that no released"):
        detector_from(checkpoint(recipe_state(SGDETR(config))))


def test_a_hostile_checkpoint_does_not_come_this_far(states, tmp_path):
    call = b"cos\nsystem\n(" + text("true") + b"tR"
    path = write_lightning(tmp_path / "best.ckpt", {TEMP: torch.ones(())}, {"hook": call})
    with pytest.raises(CheckpointError, match=r"os\.system"):
        detector_from(read_state(path))


def test_networks_without_moments_are_not_exported(states, tmp_path):
    found = detector_from(checkpoint(states["tvsum"]))
    with pytest.raises(WeightsError, match="scores clips, but its heads for moments were never"):
        export_official(found, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_embedding_space_must_be_the_networks(states):
    found = detector_from(checkpoint(states["qvhighlights"]))
    found.require_space(SPACE)
    with pytest.raises(WeightsError, match=r"video vectors of 512 dimensions.* has 768"):
        found.require_space(replace(SPACE, dims=768))
    charades = detector_from(checkpoint(states["qvhighlights"]), "charades")
    with pytest.raises(WeightsError, match=r"Charades-STA\) was trained on clips of 1 s.* of 2 s"):
        charades.require_space(SPACE)
    charades.require_space(replace(SPACE, clip_seconds=1.0))


def test_a_graph_that_says_something_else_is_refused(tmp_path):
    made, other = (with_recipe(small(SGDETRConfig.qvhighlights())) for _ in range(2))
    with torch.no_grad():
        other.local_saliency_head.sentence_pooling.cls_q += 0.1
    files = [tmp_path / name for name in FILES]
    with torch.no_grad():
        export_detector(made, files[0])
        export_gate(made, files[1], files[2])
    scale, bias = saliency_parameters(made)
    settings = DetectorSettings(
        saliency_scale=scale, saliency_bias=bias, gate_threshold=0.0, gate_dims=made.config.width
    )
    with torch.no_grad():
        assert check_export(made, files, settings) < 1e-3
        with pytest.raises(ModelError, match=r"differs from its network by .*export it again"):
            check_export(other, files, settings)
