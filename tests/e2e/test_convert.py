"""`watchword bundles convert` from files of the published layouts to a bundle that runs."""

from pathlib import Path

import onnx
import pytest

from encoder.bundle import load_bundle
from encoder.errors import ModelError
from encoder.internvideo2.self_test import compare_towers
from encoder.internvideo2.towers import TowerFiles, load_towers, read_towers
from encoder.manifest import sha256_of
from encoder.text import TextEncoder
from tests.e2e.checkpoints import Files, halved, make_files, saved
from tests.e2e.conftest import Done, watchword
from tests.encoder.internvideo2.official import GOLDEN, listed, stage2_state
from tests.streamer.media import Video, write_video

pytestmark = [
    pytest.mark.skipif(
        not (GOLDEN / "iv2_stage2_keys.tsv").exists(), reason="golden figures are not here"
    ),
    pytest.mark.filterwarnings("ignore"),  # torch's exporter warns about its own insides
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    video = Video(width=192, height=108)
    return write_video(tmp_path_factory.mktemp("film") / "yard.mp4", video, 205)


@pytest.fixture(scope="module")
def stage2(files: Files, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The bundle of a Stage 2 checkpoint, and what was told while it was made."""
    out = tmp_path_factory.mktemp("made") / "yard"
    tokenizer = ("--tokenizer", files.stage2_tokenizer)
    return out, converted(files, out, "--internvideo2", files.stage2, *tokenizer, "--verbose")


def converted(files: Files, out: Path, *words: str | Path) -> Done:
    named = ("--sg-detr", files.sg_detr, "--out", out)
    return watchword("bundles", "convert", *words, *named, "--json")


def test_a_stage_2_checkpoint_becomes_a_bundle(stage2: tuple[Path, Done]) -> None:
    out, done = stage2
    assert done.code == 0, done.err
    (report,) = done.objects
    bundle = load_bundle(out)
    assert (report["name"], report["space"]) == ("yard", bundle.space.id)
    assert set(bundle.manifest.files) == {
        "video.onnx",
        "video_tensorrt.onnx",
        "text.onnx",
        "tokenizer.json",
        "detector.onnx",
        "gate_clip.onnx",
        "gate_query.onnx",
    }
    kept = {name: entry.precision for name, entry in bundle.manifest.files.items()}
    assert kept["video.onnx"] == "fp32"
    assert kept["video_tensorrt.onnx"] == "bf16"
    assert kept["text.onnx"] == "fp16"  # the checkpoint is in half precision
    assert min(report["self_test"].values()) >= 0.9999
    assert "testing the bundle" in done.err
    depth = len(
        {key.split(".")[2] for key in stage2_state() if ".blocks." in key and "vision" in key}
    )
    assert len(report["residual_peaks"]) == depth
    assert all(0 < peak < 65504 for peak in report["residual_peaks"])


def test_its_report_names_what_became_of_every_tensor(stage2: tuple[Path, Done]) -> None:
    _, done = stage2
    (report,) = done.objects
    towers = [report["tensors"][network] for network in ("video", "text")]
    keys = {key: use for key, (_, use) in listed("iv2_stage2_keys.tsv").items()}
    for outcome, use in (("loaded", "use"), ("dropped", "drop")):
        told = [key for tower in towers for key in tower[outcome]]
        assert sorted(told) == sorted(key for key, wanted in keys.items() if wanted == use)


def test_its_manifest_says_where_it_comes_from(stage2: tuple[Path, Done], files: Files) -> None:
    out, _ = stage2
    manifest = load_bundle(out).manifest
    named = {source.file: source for source in manifest.sources}
    assert named[files.stage2.name].sha256 == sha256_of(files.stage2)
    assert named[files.stage2.name].license == "Apache-2.0"
    assert named[files.sg_detr.name].sha256 == sha256_of(files.sg_detr)
    assert manifest.space.kernel == "bilinear-unfiltered-crop"
    assert manifest.space.instants == "starts"
    assert "sg-detr" in manifest.space.model
    assert manifest.accuracy["training_temperature"] == pytest.approx(0.07, abs=0.03)
    assert any("never calibrated" in limit for limit in manifest.limits)
    assert any("interpolation" in limit for limit in manifest.limits)


@pytest.mark.parametrize("key", ["text_proj.weight", "vision_proj.weight"])
def test_the_self_test_notices_towers_of_other_weights(
    stage2: tuple[Path, Done], tmp_path: Path, key: str
) -> None:
    out, _ = stage2
    state = halved(stage2_state())
    other = saved(tmp_path / "other.pt", {"module": state | {key: state[key].roll(1, 0)}})
    bundle = load_bundle(out)
    towers = load_towers(read_towers(TowerFiles(other)))
    with pytest.raises(ModelError, match="does not say what the checkpoint says"):
        compare_towers(bundle, towers)


def test_a_film_is_watched_with_it(stage2: tuple[Path, Done], film: Path) -> None:
    out, _ = stage2
    query = ("--query", "a red square moves", "--threshold", "0.5")
    done = watchword("watch", film, *query, "--bundle", out, "--json")
    assert done.code == 0, done.err
    assert done.summary["clips"] == 11
    assert done.summary["blind_seconds"] == 0
    assert "not calibrated" in done.err


def test_a_distilled_model_becomes_a_bundle_that_watches(
    files: Files, film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small"
    out.mkdir()  # an empty folder is as good as none
    parts = ("--internvideo2", files.distilled, "--delta", files.delta, "--text", files.mobileclip)
    choices = ("--recipe", "evaluation", "--frames", "4", "--precision", "fp32")
    tokenizer = ("--tokenizer", files.mobileclip_tokenizer)
    done = converted(files, out, *parts, *choices, *tokenizer, "--name", "small-1")
    assert done.code == 0, done.err
    (report,) = done.objects
    assert report["name"] == "small-1"
    assert report["tensors"]["video"] == {"loaded": 62, "dropped": 3, "interpolated": 1}
    bundle = load_bundle(out)
    assert bundle.space.frames_per_clip == 4
    assert bundle.space.kernel == "bicubic-unfiltered"
    assert "evaluation" in bundle.space.model
    assert bundle.manifest.license.startswith("research only")
    assert any("interpolated, never trained" in limit for limit in bundle.manifest.limits)
    encoder = TextEncoder(bundle)
    assert encoder.max_tokens == 77
    assert len(encoder.encode(["red " * 200])[0].tokens) == 77
    fused = onnx.load(out / "video_tensorrt.onnx")
    assert {weight.data_type for weight in fused.graph.initializer if len(weight.dims) > 1} == {
        onnx.TensorProto.FLOAT
    }
    query = ("--query", "a person falls", "--threshold", "0.5")
    watched = watchword("watch", film, *query, "--bundle", out, "--json")
    assert watched.code == 0, watched.err
    assert watched.summary["clips"] == 11
