"""`bench encode` on a small tower: that contenders agree, and that none hides what is wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from deploy.bench.contenders import CONTENDERS
from deploy.bench.encode import EncodeOptions, bench_encode
from deploy.bench.encode_latency import LatencyOptions, bench_latency
from deploy.bench.encode_row import EncodeRow, encode_notes, encode_table
from deploy.bench.encode_tower import RandomTower, chosen_config
from deploy.bench.figure import Figure
from deploy.errors import BenchError
from encoder.errors import EngineError
from encoder.internvideo2.config import VARIANTS
from streamer.fleet import begin_after

torch = pytest.importorskip("torch")
QUICK = EncodeOptions(batch=2, seconds=0.05, device="cpu", reduced=True, cameras=0)


def small(model: str, folder: Path, frames: int | None = None) -> RandomTower:
    return RandomTower(chosen_config(model, frames, reduced=True), "cpu", folder)


@pytest.mark.parametrize("model", VARIANTS)
def test_the_plain_tower_is_the_same_tower(model: str, tmp_path: Path) -> None:
    from deploy.bench.eager_tower import eager_embedding

    tower = small(model, tmp_path)
    pixels = tower.pixels(tower.telling())
    with torch.inference_mode():
        plain = eager_embedding(tower.tower.state_dict(), tower.config, pixels)
        ours = tower.tower(pixels)
    np.testing.assert_allclose(plain.numpy(), ours.numpy(), atol=1e-5)
    assert np.ptp(ours.numpy(), axis=0).max() > 1e-3  # clips are told apart at all


def test_a_tower_is_as_published_unless_it_is_reduced() -> None:
    assert chosen_config("stage2-1b", None, reduced=False) == VARIANTS["stage2-1b"]
    assert chosen_config("clip-l14", 4, reduced=False) == replace(VARIANTS["clip-l14"], frames=4)
    reduced = chosen_config("stage2-1b", None, reduced=True)
    assert (reduced.width, reduced.heads, reduced.mlp_hidden) == (176, 2, 768)


def test_clips_ask_for_black_white_and_saturated_colours(tmp_path: Path) -> None:
    tower = small("stage2-1b", tmp_path)
    clips = tower.telling()
    assert clips.shape[1:] == (4, 56, 56, 3)
    plain = [
        tuple(clip[0, 0, 0]) for clip in clips if len(np.unique(clip.reshape(-1, 3), axis=0)) < 2
    ]
    assert {(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255)} <= set(plain)


def test_contenders_side_by_side() -> None:
    only = ("eager-fp32", "eager-bf16", "torch-fp32", "torch-bf16", "onnxruntime-fp32", "tensorrt")
    found = list(bench_encode(replace(QUICK, only=only)))
    rows = {row.name: row for row in found if isinstance(row, EncodeRow)}
    assert tuple(rows) == only
    assert rows["tensorrt"].problem == "it needs an NVIDIA card, and --device is cpu here"
    assert rows["tensorrt"].clips_per_second is None
    for name in only[:-1]:
        row = rows[name]
        assert row.problem == ""
        assert row.clips_per_second
        assert row.cosine_min is not None
        assert row.cosine_min > (0.9999 if name.endswith("fp32") else 0.995)
    figures = {figure.name: figure.value for figure in found if isinstance(figure, Figure)}
    assert figures["a clip's operations"] > 0
    assert [name for name in figures if name.startswith("max |residual|")] == [
        f"max |residual| after block {number}" for number in range(3)
    ]
    assert max(row.share or 0.0 for row in rows.values()) * 100 == pytest.approx(
        next(value for name, value in figures.items() if name.startswith("the fastest"))
    )


@pytest.mark.slow
def test_all_contenders_run_or_say_why_not() -> None:
    found = list(bench_encode(replace(QUICK, batch=4, cameras=4, seconds=1.0)))
    rows = [row for row in found if isinstance(row, EncodeRow)]
    assert [row.name for row in rows] == list(CONTENDERS)
    for row in rows:
        assert (row.clips_per_second is None) == bool(row.problem)
    (half,) = (row for row in rows if row.name == "onnxruntime-fp16")
    assert half.cosine_min is not None
    assert half.cosine_min > 0.999
    names = [figure.name for figure in found if isinstance(figure, Figure)]
    assert "clip ready -> embedding, 4 cameras, p90" in names


def test_a_contender_with_wrong_numbers_is_found_out() -> None:
    wanted = np.eye(3, dtype=np.float32)
    row = EncodeRow("x").against(wanted.copy(), wanted)
    assert (row.cosine_mean, row.cosine_min) == (1.0, 1.0)
    turned = wanted.copy()
    turned[2] = wanted[0]
    assert EncodeRow("x").against(turned, wanted).cosine_min == 0.0
    broken = wanted.copy()
    broken[1, 2] = np.nan
    row = EncodeRow("x").against(broken, wanted)
    assert row.problem == "numbers that are not finite for clips [1]"
    assert row.cosine_mean is None


def test_speed_is_told_as_a_share_of_the_matrix_product() -> None:
    row = EncodeRow("x", "here").at(100.0, 2_000_000_000_000, 400.0)
    assert (row.tflops, row.share) == (200.0, 0.5)
    assert row.as_json() == {
        "name": "x",
        "runs_on": "here",
        "clips_per_second": 100.0,
        "tflops": 200.0,
        "share": 0.5,
    }
    console = Console(width=80)
    with console.capture() as capture:
        console.print(encode_table([row, EncodeRow("y", problem="It is not there.")]))
    assert "50.0%" in capture.get()
    assert encode_notes([row, EncodeRow("y", problem="It is not there.")]).splitlines() == [
        "x: here",
        "y: It is not there.",
    ]


# -- latency --------------------------------------------------------------------------------------

LOAD = LatencyOptions(cameras=20, seconds=0.5, batch=4, warm_seconds=0.0)


def unit(clips: np.ndarray) -> np.ndarray:
    vectors = np.zeros((len(clips), 32), np.float32)
    vectors[:, 0] = 1
    return vectors


def test_every_clip_of_the_load_is_waited_for(tmp_path: Path) -> None:
    tower = small("stage2-1b", tmp_path)
    found = list(bench_latency(unit, tower.space, tower.noise(1)[0], LOAD))
    figures = {figure.name: figure for figure in found}
    assert figures["clips dropped, 20 cameras"].value == 0
    due = sum(begin_after(number, 2.0) < LOAD.seconds for number in range(20))
    assert figures["clips encoded, 20 cameras"].value == due > 0
    p50, p90 = (figures[f"clip ready -> embedding, 20 cameras, p{p}"] for p in (50, 90))
    assert 0 < p50.value <= p90.value
    assert p90.target is None
    wanted = replace(LOAD, has_target=True)
    found = list(bench_latency(unit, tower.space, tower.noise(1)[0], wanted))
    assert [(figure.name[-3:], figure.target) for figure in found if figure.target] == [
        ("p90", 200.0)
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_contender_that_fails_under_load_is_named(tmp_path: Path) -> None:
    def broken(clips: np.ndarray) -> np.ndarray:
        raise MemoryError("no memory left")

    tower = small("stage2-1b", tmp_path)
    with pytest.raises(BenchError, match="failed under load: no memory left"):
        list(bench_latency(broken, tower.space, tower.noise(1)[0], LOAD))


def test_faults_of_engines_are_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy.bench import encode

    def load(tower: RandomTower, batch: int) -> None:
        raise EngineError("There is no card.\nAnd more.")

    contenders = {**encode.CONTENDERS, "tensorrt": load}
    monkeypatch.setattr(encode, "CONTENDERS", contenders)
    (row, *_) = bench_encode(replace(QUICK, only=("tensorrt",)))
    assert isinstance(row, EncodeRow)
    assert row.problem == "There is no card."
