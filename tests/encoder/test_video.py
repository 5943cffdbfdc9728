from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from encoder.bundle import Bundle
from encoder.errors import ClipError, ModelError
from encoder.manifest import SpaceEntry, write_manifest
from encoder.session import SessionOptions
from encoder.video import VideoEncoder
from tests.encoder.models import SPACE, make_bundle, manifest, random_clips, save_video_model


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> VideoEncoder:
    return VideoEncoder(make_bundle(tmp_path_factory.mktemp("tiny")), SessionOptions(threads=1))


def test_clips_become_unit_vectors(encoder: VideoEncoder) -> None:
    vectors = encoder.encode(random_clips(3))
    assert vectors.shape == (3, SPACE.dims)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert encoder.encode(random_clips(0)).shape == (0, SPACE.dims)


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_a_vector_does_not_depend_on_its_batch(encoder, count, seed, random) -> None:
    clips = random_clips(count, seed)
    alone = np.concatenate([encoder.encode(clip[None]) for clip in clips])
    order = random.sample(range(count), count)
    np.testing.assert_allclose(encoder.encode(clips[order]), alone[order], atol=2e-6)


@pytest.mark.parametrize(
    "clips",
    [
        random_clips(1).astype(np.float32),
        random_clips(1)[:, :1],
        random_clips(1)[0],
        random_clips(1, space=replace(SPACE, width=8)),
    ],
)
def test_clips_of_another_format_are_refused(encoder: VideoEncoder, clips: np.ndarray) -> None:
    with pytest.raises(ClipError, match=f"{SPACE.id} wants uint8"):
        encoder.encode(clips)


def test_a_tower_must_be_of_its_manifests_space(bundle: Bundle) -> None:
    wider = replace(SPACE, width=8)
    write_manifest(bundle.folder, manifest(space=wider))
    lying = replace(bundle, manifest=manifest(space=wider))
    lying.manifest.files.update(bundle.manifest.files)
    with pytest.raises(ModelError, match="its manifest promises"):
        VideoEncoder(lying)


def test_a_tower_of_other_dimensions_is_noticed(tmp_path: Path) -> None:
    made = make_bundle(tmp_path / "tiny")
    save_video_model(made.path("video"), replace(SPACE, dims=4))
    with pytest.raises(ModelError, match="video tower"):
        VideoEncoder(made).encode(random_clips(1))


@pytest.mark.parametrize("nonsense", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_not_passed_on(bundle: Bundle, nonsense: float) -> None:
    class Broken:
        def run(self, clips: np.ndarray) -> np.ndarray:
            return np.full((len(clips), SPACE.dims), nonsense, "f4")

    encoder = VideoEncoder(bundle)
    encoder._runner = Broken()
    with pytest.raises(ModelError, match="not finite"):
        encoder.encode(random_clips(2))


def test_the_bundle_in_use_is_told(encoder: VideoEncoder) -> None:
    labels = {"name": "tiny", "version": "1", "space": SPACE.id}
    assert REGISTRY.get_sample_value("watchword_bundle_info", labels) == 1
    on_cpu = {"runtime": "cpu"}
    assert REGISTRY.get_sample_value("watchword_encode_runtime_info", on_cpu) == 1
    assert encoder.runtime == "cpu"


def test_one_clip_at_a_time_on_a_cpu(encoder: VideoEncoder) -> None:
    assert encoder.best_batch == 1
    assert not encoder.overlaps
    assert not encoder.overlaps
    assert encoder.space == SPACE
    assert SpaceEntry.of(encoder.space).id == SPACE.id


def test_the_default_bundle_encodes(lite: Bundle) -> None:
    encoder = VideoEncoder(lite, SessionOptions(threads=1))
    clips = random_clips(2, space=lite.space)
    both = encoder.encode(clips)
    assert both.shape == (2, 512)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(clips[1:]), both[1:], atol=1e-5)
