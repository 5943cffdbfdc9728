"""A bundle of an official checkpoint in the running pipeline, against the official lists.

From a Lightning file through its ONNX graphs and NumPy: window buffer, gate, detector.
"""

from pathlib import Path

import numpy as np
import pytest

from encoder.bundle import load_bundle
from encoder.checkpoint import read_state
from encoder.embedding import ClipEmbedding, TextFeatures
from encoder.manifest import Manifest, SpaceEntry, write_manifest
from encoder.session import SessionOptions
from grounding.calibration import span_features
from grounding.config import GroundingConfig
from grounding.detector import Grounding
from grounding.errors import SensitivityError
from grounding.locate import locate
from grounding.parts import GroundingParts, load_parts
from grounding.query import StandingQuery
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR
from grounding.sgdetr.official import detector_from, export_official
from grounding.window import Window
from tests.encoder.checkpoint.crafted import write_lightning
from tests.grounding.sgdetr import loss_golden
from tests.grounding.sgdetr.networks import GOLDEN, normal, recipe_state
from tests.grounding.sgdetr.test_official import SPACE
from tests.grounding.worlds import SESSION, T0

CONFIG = GroundingConfig(session=SessionOptions(threads=1, device="cpu"))
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden figures are not here")


def make_bundle(folder: Path, preset: str) -> Path:
    """The grounding half of a bundle, from a checkpoint of the authors' layout."""
    state = recipe_state(SGDETR(getattr(SGDETRConfig, preset)()))
    detector = detector_from(read_state(write_lightning(folder / "best.ckpt", state)))
    bundle = folder / preset
    bundle.mkdir()
    made = export_official(detector, bundle)
    assert made.largest_error < 1e-3
    manifest = Manifest(
        name=preset,
        version="1",
        license="unknown",
        description=detector.sentence,
        sources=[],
        trained_on=[],
        limits=list(made.limits),
        space=SpaceEntry.of(SPACE),
        detector=made.detector,
        calibration=made.calibration,
    )
    write_manifest(bundle, manifest)
    return bundle


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> dict[str, GroundingParts]:
    folder = tmp_path_factory.mktemp("official")
    made = {name: make_bundle(folder, name) for name in ("qvhighlights", "tacos")}
    return {name: load_parts(load_bundle(path), CONFIG) for name, path in made.items()}


@pytest.fixture(scope="module")
def qvhighlights(bundles) -> GroundingParts:
    return bundles["qvhighlights"]


def window_of(name: str, clips: int, missing: tuple[int, ...] = ()) -> Window:
    vectors = normal(name, (clips, 512)).astype(np.float32)
    mask = np.ones(clips, np.bool_)
    mask[list(missing)] = False
    vectors[~mask] = 0
    end = T0 + 2.0 * clips
    return Window("yard", SESSION, clips - 1, 0, T0, end, 2.0, vectors, mask)


def query_of(name: str, tokens: int, query_id: str = "q") -> StandingQuery:
    rows = normal(name, (tokens, 512)).astype(np.float32)
    pooled = rows[0] / np.linalg.norm(rows[0])
    return StandingQuery(query_id, name, TextFeatures(name, SPACE.id, pooled, rows), 0.5)


def seconds(found: Grounding, clips: int) -> np.ndarray:
    """Spans as rows (start s, end s, score)."""
    rows = np.array([(span.start, span.end, span.score) for span in found.spans]).reshape(-1, 3)
    return rows * [2.0 * clips, 2.0 * clips, 1.0]


CASES = [
    ("a_L75_N12", "qvhighlights", [("input/video/75", 75, "input/text/12", 12)]),
    ("b_L40_N40", "qvhighlights", [("input/video/40", 40, "input/text/40", 40)]),
    (
        "c_batch3_L40",
        "qvhighlights",
        [(f"input/video/40/{i}", 40, f"input/text/{n}/{i}", n) for i, n in enumerate((7, 25, 12))],
    ),
    ("d_L8_N5", "qvhighlights", [("input/video/8", 8, "input/text/5", 5)]),
    ("e_tacos_L120_N9", "tacos", [("input/video/120", 120, "input/text/9", 9)]),
]


@needs_golden
@pytest.mark.parametrize(("case", "preset", "pairs"), CASES)
def test_spans_and_saliency_are_the_official_ones(bundles, case, preset, pairs):
    arrays = loss_golden.load(f"sgdetr_{case}.npz")
    asked = [
        (window_of(video, clips), query_of(words, tokens)) for video, clips, words, tokens in pairs
    ]
    for row, found in enumerate(bundles[preset].detector.ground(asked)):
        clips = len(asked[row][0].mask)
        wanted = arrays[f"comb_post_b{row}"]
        inside = np.clip(wanted[:, :2], 0.0, 2.0 * clips)
        kept = inside[:, 1] > inside[:, 0]
        rows = seconds(found, clips)
        assert len(rows) == kept.sum() > 0
        np.testing.assert_allclose(rows[:, :2], inside[kept], rtol=0, atol=1e-9)
        np.testing.assert_allclose(rows[:, 2], wanted[kept, 2], rtol=0, atol=2e-4)
        for mine, name in ((found.local_saliency, "S_local"), (found.global_saliency, "S_global")):
            np.testing.assert_allclose(mine, arrays[name][row, :clips], rtol=0, atol=5e-5)


@needs_golden
def test_the_gate_sees_a_full_window_as_the_detector_does(qvhighlights):
    wanted = loss_golden.load("sgdetr_a_L75_N12.npz")["S_local"][0]
    window, query = window_of("input/video/75", 75), query_of("input/text/12", 12)
    gate, buffer = qvhighlights.gate, qvhighlights.buffer
    gate.watch([query])
    rows = gate.clip_vectors(window.vectors)
    assert rows.shape == (75, 256)
    logits = gate.local_saliency(rows)[:, 0]
    assert logits[-1] == pytest.approx(wanted[74], abs=5e-5)
    np.testing.assert_allclose(logits[-3:], wanted[72:75], rtol=0, atol=0.04)
    pushed = None
    for index, (vector, row) in enumerate(zip(window.vectors, rows, strict=True)):
        at = T0 + 2.0 * index
        clip = ClipEmbedding(
            "yard", SESSION, index, at, at + 2, at + 2, SPACE.id, vector, clock_source="file"
        )
        pushed = buffer.push(clip, row).window
    assert pushed is not None
    np.testing.assert_array_equal(pushed.vectors, window.vectors)
    assert gate.saliency([pushed])[0, 0] == pytest.approx(logits[-3:].max())
    buffer.forget("yard")


@pytest.mark.parametrize(
    ("clips", "missing"), [(1, ()), (3, ()), (7, ()), (9, ()), (42, (3, 4, 30))]
)
def test_windows_of_any_length_have_spans_inside_what_was_seen(qvhighlights, clips, missing):
    window = window_of("input/video/75", clips, missing)
    query = query_of("input/text/12", 12)
    (found,) = qvhighlights.detector.ground([(window, query)])
    assert len(found.local_saliency) == len(found.global_saliency) == clips
    assert np.isfinite(found.global_saliency).all()
    rows = seconds(found, clips)
    assert ((rows[:, 0] >= 0) & (rows[:, 0] < rows[:, 1]) & (rows[:, 1] <= 2 * clips + 1e-9)).all()
    if not found.spans:
        return
    features = span_features(found, found.spans, window, query)
    scores = qvhighlights.calibration.probability(features)
    np.testing.assert_allclose(scores, rows[:, 2], atol=1e-6)  # the network's own
    moment = locate(found.spans[0], window, query, scores[0], ())
    assert window.start <= moment.start < moment.end <= window.seen_until


def test_a_batch_says_what_each_pair_says_alone(qvhighlights):
    pairs = [
        (window_of("input/video/40/0", 41), query_of("input/text/7/0", 7)),
        (window_of("input/video/40/1", 44), query_of("input/text/25/1", 25)),
        (window_of("input/video/40/2", 42, (5,)), query_of("input/text/12/2", 12)),
    ]
    for pair, found in zip(pairs, qvhighlights.detector.ground(pairs), strict=True):
        (alone,) = qvhighlights.detector.ground([pair])
        np.testing.assert_allclose(found.global_saliency, alone.global_saliency, atol=5e-5)
        clips = len(pair[0].mask)
        np.testing.assert_allclose(seconds(found, clips), seconds(alone, clips), atol=2e-4)


def test_it_promises_no_alert_budget(qvhighlights):
    assert not qvhighlights.calibration.calibrated
    with pytest.raises(SensitivityError, match=r"never calibrated.*--threshold 0\.5"):
        qvhighlights.calibration.threshold_for(1.0)
