"""The engine that TensorRT builds, beside the float32 tower it was made of, on a real card."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.bundle import Bundle, load_bundle
from encoder.errors import RuntimeMissingError
from encoder.export import FromPixels
from encoder.internvideo2.config import VARIANTS
from encoder.internvideo2.export import VideoExport, export_video
from encoder.internvideo2.initialise import random_tower
from encoder.manifest import write_manifest
from encoder.session import CUDA, SessionOptions, available_providers
from encoder.space import EmbeddingSpace
from encoder.tensorrt.installed import find_machine
from encoder.tensorrt.key import BuildOptions
from encoder.tensorrt.ordering import EngineShop
from encoder.tensorrt.runtime import TensorRTRunner
from encoder.tensorrt.store import Engine
from encoder.video import VideoEncoder
from tests.encoder.models import manifest, save_tokenizer
from tests.gpu.drawn import drawn_clips

BATCH = 8
# What SG-DETR and the gate were fitted to must not move: measured as cosines to float32
MEAN_COSINE, LEAST_COSINE = 0.999, 0.995
# Random weights tell some clips hardly apart: only those must be recognised whose nearest other is
# more than twice as far away as an engine may be wrong
APART = float(np.cos(2 * np.arccos(LEAST_COSINE)))

pytestmark = pytest.mark.gpu


@dataclass(frozen=True)
class Made:
    bundle: Bundle
    engine: Engine
    clips: np.ndarray  # uint8 [B, T, H, W, 3]
    wanted: np.ndarray  # float32 [B, D], of the tower in float32


def space_of(variant: str) -> EmbeddingSpace:
    config = VARIANTS[variant]
    return EmbeddingSpace(
        model=variant,
        dims=config.joint,
        clip_seconds=2.0,
        frames_per_clip=config.frames,
        width=config.image,
        height=config.image,
        kernel="bicubic",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


@pytest.fixture(scope="module", autouse=True)
def exact_reference() -> Iterator[None]:
    """Float32 is float32: by itself cuDNN rounds the patch embedding's products to TF32."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.fixture(
    scope="module",
    params=[
        ("clip-s14", "bf16"),
        ("clip-s14", "fp16"),
        pytest.param(("stage2-1b", "bf16"), marks=pytest.mark.slow),
        pytest.param(("stage2-1b", "fp16"), marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def made(
    exact_reference: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    """A tower of random weights, its bundle, its engine, and what it says in float32."""
    try:
        machine = find_machine(0)
    except RuntimeMissingError as error:
        pytest.skip(str(error))
    variant, precision = request.param
    space, folder = space_of(variant), tmp_path_factory.mktemp(variant)
    tower = random_tower(VARIANTS[variant])
    for options in (VideoExport(check=False), VideoExport("fused", precision, check=False)):
        export_video(tower, folder, space, options)
    save_tokenizer(folder / "tokenizer.json")
    write_manifest(folder, manifest(variant, space))
    bundle = load_bundle(folder)
    shop = EngineShop(machine, root=tmp_path_factory.mktemp("engines"))
    engine, _ = shop.build(bundle, BuildOptions(max_batch=BATCH))
    clips = drawn_clips(space)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    reference = FromPixels(tower, space).to(device)
    with torch.inference_mode():
        wanted = [reference(torch.from_numpy(clip[None]).to(device)).cpu() for clip in clips]
    return Made(bundle, engine, clips, torch.cat(wanted).numpy())


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("bd,bd->b", one, other)


def test_the_engine_says_what_the_tower_says(made: Made) -> None:
    runner = TensorRTRunner(made.engine)
    vectors = runner.run(made.clips)
    runner.close()
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    found = cosines(vectors, made.wanted)
    assert found.mean() >= MEAN_COSINE
    assert found.min() >= LEAST_COSINE
    others = made.wanted @ made.wanted.T - 2 * np.eye(len(made.wanted))
    apart = others.max(axis=1) < APART
    nearest = (vectors @ made.wanted.T).argmax(axis=1)
    assert (nearest == np.arange(len(vectors)))[apart].all()


def test_the_engine_moves_as_the_tower_does(made: Made) -> None:
    """A constant would be near to every vector too: what is told apart is the way from the mean."""
    runner = TensorRTRunner(made.engine)
    found = runner.run(made.clips)
    runner.close()
    ours, theirs = (each - each.mean(axis=0) for each in (found, made.wanted))
    if (theirs**2).sum(axis=1).mean() < 20 * (1 - MEAN_COSINE):  # ten times what rounding may do
        pytest.skip("random weights tell these clips hardly apart")
    assert (ours * theirs).sum() / (np.linalg.norm(ours) * np.linalg.norm(theirs)) > 0.9


def test_a_vector_does_not_depend_on_its_batch(made: Made) -> None:
    runner = TensorRTRunner(made.engine)
    together = runner.run(made.clips)
    alone = np.concatenate([runner.run(clip[None]) for clip in made.clips])
    backwards = runner.run(made.clips[::-1])[::-1]
    runner.close()
    assert cosines(together, alone).min() >= 0.9995  # kernels differ from size to size
    assert cosines(together, backwards).min() >= 0.9995


def test_graphs_change_nothing(made: Made) -> None:
    with_graphs, without = TensorRTRunner(made.engine), TensorRTRunner(made.engine, graphs=False)
    for count in (1, 3, BATCH, len(made.clips)):
        clips = made.clips[:count]
        np.testing.assert_allclose(with_graphs.run(clips), without.run(clips), atol=1e-6)
    with_graphs.close()
    without.close()


def test_cuda_in_onnx_runtime_says_what_the_processor_says(made: Made) -> None:
    if CUDA not in available_providers():
        pytest.skip("this ONNX Runtime knows no CUDA")
    clips = made.clips[:4]
    on_card = VideoEncoder(made.bundle, SessionOptions(runtime="cuda")).encode(clips)
    here = VideoEncoder(made.bundle, SessionOptions(runtime="cpu")).encode(clips)
    assert cosines(on_card, here).min() >= 0.9999  # matrix products on a card are in TF32
    np.testing.assert_allclose(here, made.wanted[:4], atol=1e-4)


def test_an_engine_of_this_card_is_what_runs_by_itself(
    made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engines = tmp_path / "watchword" / "engines"
    engines.parent.mkdir()
    engines.symlink_to(made.engine.folder.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    encoder = VideoEncoder(made.bundle)
    assert (encoder.runtime, encoder.best_batch) == ("tensorrt", BATCH)
    assert cosines(encoder.encode(made.clips), made.wanted).mean() >= MEAN_COSINE
