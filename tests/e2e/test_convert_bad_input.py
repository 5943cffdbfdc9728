"""What cannot be converted is refused with one sentence, exit code 2, and nothing left behind."""

import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from deploy.convert import place
from grounding.sgdetr.config import SGDETRConfig
from tests.conftest import ROOT
from tests.e2e.checkpoints import Files, distilled_states, lightning, make_files, saved
from tests.e2e.conftest import watchword
from tests.encoder.internvideo2.official import GOLDEN, mobileclip_state, stage2_state
from tests.encoder.internvideo2.vocabularies import small_tokenizer

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "iv2_stage2_keys.tsv").exists(), reason="golden figures are not here"
)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("published"))


def refused(files: Files, out: Path, *fragments: str, **changes: Path | str | None) -> None:
    """Conversion of the Stage 2 file with `changes` of its options."""
    words: dict[str, Path | str | None] = {
        "internvideo2": files.stage2,
        "sg_detr": files.sg_detr,
        "tokenizer": files.stage2_tokenizer,
        "out": out,
    }
    given = {key: value for key, value in (words | changes).items() if value is not None}
    before = sorted(out.parent.rglob("*"))
    options = [(f"--{key.replace('_', '-')}", value) for key, value in given.items()]
    done = watchword("bundles", "convert", *(word for option in options for word in option))
    assert done.code == 2, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    sentence = " ".join(done.err.replace("│", " ").split())
    for fragment in fragments:
        assert fragment in sentence, sentence
    assert sorted(out.parent.rglob("*")) == before


def distilled(files: Files) -> dict[str, Path | str | None]:
    return {
        "internvideo2": files.distilled,
        "delta": files.delta,
        "text": files.mobileclip,
        "tokenizer": files.mobileclip_tokenizer,
    }


def changed(folder: Path, **tensors: torch.Tensor | None) -> Path:
    """The Stage 2 file with some tensors in place of its own, or without them."""
    state = stage2_state() | {key.replace("__", "."): value for key, value in tensors.items()}
    whole = {key: value for key, value in state.items() if value is not None}
    return saved(folder / "changed.pt", {"module": whole})


@pytest.mark.parametrize("option", ["internvideo2", "sg_detr", "text", "delta", "tokenizer"])
def test_a_file_that_is_not_there(files: Files, tmp_path: Path, option: str) -> None:
    missing = tmp_path / "nowhere.pt"
    refused(files, tmp_path / "out", str(missing), **{option: missing})


@pytest.mark.parametrize("option", ["internvideo2", "sg_detr", "text"])
def test_a_file_that_is_no_checkpoint(files: Files, tmp_path: Path, option: str) -> None:
    page = tmp_path / "page.pt"
    page.write_text("<html>Access to this model is restricted</html>")
    refused(files, tmp_path / "out", str(page), **{option: page})


@pytest.mark.parametrize("option", ["internvideo2", "sg_detr"])
def test_a_half_download(files: Files, tmp_path: Path, option: str) -> None:
    whole: Path = files.stage2 if option == "internvideo2" else files.sg_detr
    half = tmp_path / "half.pt"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    refused(files, tmp_path / "out", str(half), **{option: half})


def test_checkpoints_in_each_others_place(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(files, out, "this is not an SG-DETR", sg_detr=files.stage2)
    refused(files, out, "neither vision_proj nor vision_align", internvideo2=files.sg_detr)


def test_a_checkpoint_without_its_projections(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    without = changed(tmp_path, vision_proj__weight=None, vision_proj__bias=None)
    refused(files, out, "neither vision_proj nor vision_align", internvideo2=without)
    without = changed(tmp_path, text_proj__weight=None)
    refused(files, out, "no text_proj.weight", internvideo2=without)


def test_a_checkpoint_with_other_tensors(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    block = {"vision_encoder__blocks__1__norm1__weight": None}
    refused(files, out, "blocks.1.norm1.weight", internvideo2=changed(tmp_path, **block))
    extra = {"lora__weight": torch.zeros(2)}
    refused(files, out, "lora.weight", internvideo2=changed(tmp_path, **extra))
    broken = {"text_proj__bias": torch.full((64,), torch.nan)}
    refused(files, out, "text_proj.bias holds NaN", internvideo2=changed(tmp_path, **broken))


def test_a_distilled_model_wants_all_its_files(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(files, out, "delta", **distilled(files) | {"delta": None})
    refused(files, out, "--text", **distilled(files) | {"text": None})
    refused(files, out, "CLIP's", "--tokenizer FILE", **distilled(files) | {"tokenizer": None})


def test_a_delta_of_another_model(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(files, out, "is a Stage 2 model", delta=files.delta)
    _, delta = distilled_states()
    key = "vision_encoder.clip_projector.cross_attn.q.weight"
    other = saved(tmp_path / "other.bin", delta | {key: torch.zeros(96, 96)})
    refused(files, out, "another model's", **distilled(files) | {"delta": other})


def test_towers_of_different_models(files: Files, tmp_path: Path) -> None:
    wide = saved(tmp_path / "wide.pt", mobileclip_state(joint=96))
    out = tmp_path / "out"
    refused(files, out, "64 numbers and the text tower 96", **distilled(files) | {"text": wide})


def test_a_tokenizer_of_another_model(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(files, out, "needs a tokenizer", "1000 words", tokenizer=None)
    small = small_tokenizer(tmp_path / "small.json", 999)
    refused(files, out, "knows 999 words and the text tower 1000", tokenizer=small)
    refused(files, out, "no tokenizer", tokenizer=files.stage2)


def test_an_sg_detr_of_another_encoder_or_without_moments(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(files, out, "of TVSum", "finds no moments", sg_detr=files.tvsum)
    config = replace(SGDETRConfig.qvhighlights(), pooling_layers=1)
    tacos = saved(tmp_path / "tacos.ckpt", lightning(config))
    refused(files, out, "no SG-DETR of Charades-STA", sg_detr=tacos, variant="charades")
    refused(files, out, "'mine' is no variant", variant="mine")
    content = lightning(SGDETRConfig.qvhighlights())
    state = content["state_dict"]
    assert isinstance(state, dict)
    key = "model.input_txt_proj.linear_mapper.0.mapper.2.weight"
    norm = "model.input_txt_proj.linear_mapper.0.mapper.0."
    state[key] = torch.zeros(256, 96)
    state |= {f"{norm}weight": torch.ones(96), f"{norm}bias": torch.zeros(96)}
    wide = saved(tmp_path / "wide.ckpt", content)
    refused(files, out, "text vectors of 96 dimensions", sg_detr=wide)


def test_a_place_that_is_taken(files: Files, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused(files, tmp_path / "file", "is there already")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "video.onnx").write_text("mine")
    refused(files, tmp_path / "folder", "is there already")
    refused(files, tmp_path / "file" / "under", "cannot be written")


def test_a_name_that_cannot_be(files: Files, tmp_path: Path) -> None:
    refused(files, tmp_path / "out", "'My Bundle' cannot name a bundle", name="My Bundle")
    refused(files, tmp_path / "_out", "'_out' cannot name a bundle")


def test_frames_and_choices_that_cannot_be(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(files, out, "--frames", frames="0")
    refused(files, out, "--precision", precision="int4")
    refused(files, out, "--recipe", recipe="mine")


def test_a_disk_that_is_full(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.shutil, "disk_usage", lambda _path: Usage(10**9, 10**9, 10**6))
    refused(files, tmp_path / "out", "the bundle needs 0.1 GB", "0.0 GB left")


def test_torch_that_is_not_installed(files: Files, tmp_path: Path) -> None:
    """In a process of its own: what is imported here is imported already."""
    program = (
        "import sys; sys.modules['torch'] = None; from deploy.cli import main; main(sys.argv[1:])"
    )
    words = ["--internvideo2", files.stage2, "--sg-detr", files.sg_detr, "--out", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, "bundles", "convert", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "needs torch" in done.stderr
    assert "pip install 'watchword[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tower_that_float16_cannot_hold(files: Files, tmp_path: Path) -> None:
    state = stage2_state()
    bias = "vision_encoder.blocks.1.mlp.fc2.bias"
    state[bias] = torch.full_like(state[bias], 1e6)
    large = saved(tmp_path / "large.pt", {"module": state})
    told = ("--precision fp16 does not do", "after block 1 of", "float16 ends at 65504: use bf16")
    refused(files, tmp_path / "out", *told, internvideo2=large, precision="fp16")
