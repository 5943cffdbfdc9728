"""What the files say together, before anything is exported."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.convert.options import ConvertOptions
from deploy.convert.read import bytes_needed, read_inputs
from encoder.manifest import sha256_of
from tests.e2e.checkpoints import Files, make_files, saved
from tests.encoder.internvideo2.official import GOLDEN, stage2_state

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "iv2_stage2_keys.tsv").exists(), reason="golden figures are not here"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("published"))


@pytest.fixture
def options(files: Files, tmp_path: Path) -> ConvertOptions:
    return ConvertOptions(
        files.stage2, files.sg_detr, tmp_path / "out", tokenizer=files.stage2_tokenizer
    )


def silent(_step: str) -> None: ...


def test_the_detectors_clips_are_the_spaces(options: ConvertOptions) -> None:
    assert read_inputs(options, silent).space.clip_seconds == 2.0
    charades = read_inputs(replace(options, variant="charades"), silent)
    assert charades.space.clip_seconds == 1.0
    assert charades.facts.detector == "Charades-STA"


def test_other_weights_are_another_space(options: ConvertOptions, tmp_path: Path) -> None:
    first = read_inputs(options, silent)
    other = saved(tmp_path / "float32.pt", {"module": stage2_state()})
    second = read_inputs(replace(options, internvideo2=other), silent)
    assert first.space.id != second.space.id
    assert first.towers.half
    assert not second.towers.half


def test_a_text_tower_of_its_own_file_is_named(
    options: ConvertOptions, files: Files, tmp_path: Path
) -> None:
    texts = {k: v for k, v in stage2_state().items() if k.startswith("text_")}
    path = saved(tmp_path / "texts.pt", texts)
    inputs = read_inputs(replace(options, text=path), silent)
    assert {file.role: file.sha256 for file in inputs.facts.files} == {
        "vision": sha256_of(files.stage2),
        "text": sha256_of(path),
        "sg-detr": sha256_of(files.sg_detr),
        "tokenizer": sha256_of(files.stage2_tokenizer),
    }


def test_the_room_needed_follows_the_precision(options: ConvertOptions) -> None:
    inputs = read_inputs(options, silent)
    half, whole = (
        bytes_needed(inputs, replace(options, precision=precision))
        for precision in ("bf16", "fp32")
    )
    tower = sum(part.numel() for part in inputs.towers.video.parameters())
    assert whole - half == pytest.approx(2 * tower, rel=0.5)  # what is dropped counts too
    assert half > 6 * tower
