"""The live path's code around a real, small SG-DETR: padding and batches must not show."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from encoder.embedding import TextFeatures
from encoder.session import Session, SessionOptions, open_session
from grounding.detector import Grounding, MomentDetector, padded_clips
from grounding.gate import Gate
from grounding.parts import GRAPHS
from grounding.query import StandingQuery
from grounding.settings import DetectorSettings
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.export import export_detector, export_gate, saliency_parameters
from grounding.sgdetr.model import SGDETR
from grounding.sgdetr.postprocess import DetectorOutput, combined_windows
from grounding.window import Window
from tests.grounding.worlds import SESSION, SPACE, T0

SETTINGS = DetectorSettings(saliency_scale=1.0, saliency_bias=0.0, gate_threshold=0.0)
DIMS = 512
WIDTH = 64
# windows: clips and the ones that are missing
MIX: list[tuple[int, tuple[int, ...]]] = [(1, ()), (9, ()), (10, (2, 3)), (24, (0, 1, 2))]


class Network:
    """The model as its exported graph: spans are fractions of the padded length."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        small = replace(
            SGDETRConfig.live(),
            width=WIDTH,
            ffn_width=64,
            pooling_layers=1,
            cross_layers=1,
            encoder_layers=1,
            decoder_layers=1,
            tower_layers=1,
        )
        self.model = SGDETR(small).eval()
        # Fresh weights answer nearly the same everywhere; some noise tells clips apart.
        with torch.no_grad():
            for weights in self.model.parameters():
                weights.add_(0.02 * torch.randn_like(weights))

    def predict(self, inputs: Mapping[str, NDArray[np.generic]]):
        names = ("video", "video_mask", "text", "text_mask")
        with torch.inference_mode():
            return self.model(*(torch.from_numpy(inputs[name]) for name in names))

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> Mapping[str, NDArray[np.generic]]:
        made = self.predict(inputs)
        share = made.lengths / inputs["video"].shape[1]
        tensors = {
            "local_saliency": made.local_saliency,
            "global_saliency": made.global_saliency,
            "span": made.layers[-1].span * share[:, None, None],
            "label": made.layers[-1].label,
            "quality": made.layers[-1].quality,
            "atss_label": made.atss.label,
            "atss_box": made.atss.box,
            "atss_centerness": made.atss.centerness,
        }
        return {name: tensor.numpy() for name, tensor in tensors.items()}


@pytest.fixture(scope="module")
def network() -> Network:
    return Network()


def window(clips: int, seed: int, missing: tuple[int, ...] = ()) -> Window:
    rows = np.random.default_rng(seed).normal(size=(clips, DIMS)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mask = np.ones(clips, np.bool_)
    mask[list(missing)] = False
    rows[~mask] = 0
    return Window(
        camera_id="yard",
        session=SESSION,
        index=clips - 1,
        first_index=0,
        start=T0,
        seen_until=T0 + 2.0 * clips,
        clip_seconds=2.0,
        vectors=rows,
        mask=mask,
    )


def query(tokens: int, seed: int) -> StandingQuery:
    rows = np.random.default_rng(seed).normal(size=(tokens, DIMS)).astype(np.float32)
    pooled = rows.mean(axis=0)
    return StandingQuery("q", "", TextFeatures("", SPACE.id, pooled, rows), 0.5)


def same(one: Grounding, other: Grounding) -> None:
    np.testing.assert_allclose(one.local_saliency, other.local_saliency, atol=2e-4)
    np.testing.assert_allclose(one.global_saliency, other.global_saliency, atol=2e-3)
    best, worst = one.spans[0], other.spans[0]
    assert best.score == pytest.approx(worst.score, abs=1e-3)
    assert (best.start, best.end) == pytest.approx((worst.start, worst.end), abs=5e-3)


def test_pairs_in_a_batch_are_grounded_as_alone(network: Network) -> None:
    made = MomentDetector(network, SETTINGS, batch=4)
    pairs = [
        (window(9, 1), query(3, 1)),
        (window(12, 2), query(11, 2)),
        (window(3, 3), query(5, 3)),
        (window(10, 4, missing=(2, 3)), query(1, 4)),
    ]
    for pair, found in zip(pairs, made.ground(pairs), strict=True):
        same(found, made.ground([pair])[0])


@pytest.mark.parametrize("clips", [1, 5, 8, 10])
def test_spans_are_those_of_the_network_in_the_windows_own_seconds(
    network: Network, clips: int
) -> None:
    made, asked = window(clips, clips), query(4, clips)
    settings = msgspec.structs.replace(SETTINGS, max_moments=100)
    (found,) = MomentDetector(network, settings).ground([(made, asked)])

    length = padded_clips(clips)
    video = np.zeros((1, length, DIMS), np.float32)
    video[0, :clips] = made.vectors / (1 + 1e-5)
    mask = (np.arange(length) < clips).astype(np.float32)[None]
    tokens = asked.features.tokens
    text = tokens / (np.linalg.norm(tokens, axis=1, keepdims=True) + 1e-5)
    inputs = {
        "video": video,
        "video_mask": mask,
        "text": text[None],
        "text_mask": np.ones((1, len(tokens)), np.float32),
    }
    outputs = dict(network.run(inputs))
    outputs["span"] = network.predict(inputs).layers[-1].span.numpy()  # of the window's own length
    output = DetectorOutput(**outputs, mask=mask > 0)
    (expected,) = combined_windows(output, np.array([2.0 * clips]), settings.postprocess)
    spans = np.array([(span.start, span.end, span.score) for span in found.spans])
    np.testing.assert_allclose(spans * [2 * clips, 2 * clips, 1], expected, atol=1e-3)
    assert spans[:, :2].min() >= 0
    assert spans[:, :2].max() <= 1 + 1e-6


def test_a_clip_has_the_same_local_saliency_wherever_it_stands(network: Network) -> None:
    made, asked = MomentDetector(network, SETTINGS), query(4, 0)
    whole = window(20, 7)
    late = window(9, 8)
    late.vectors[-3:] = whole.vectors[4:7]
    (first, second) = made.ground([(whole, asked), (late, asked)])
    np.testing.assert_allclose(second.local_saliency[-3:], first.local_saliency[4:7], atol=2e-4)


def opened(role: str, path: Path) -> Session:
    session = open_session(path, SessionOptions(threads=1, device="cpu"))
    session.require(*GRAPHS[role])
    return session


@pytest.mark.slow  # the exporter takes a minute for the detector
@pytest.mark.timeout(1200)
def test_the_exported_detector_grounds_as_the_network(network: Network, tmp_path: Path) -> None:
    export_detector(network.model, tmp_path / "detector.onnx")
    exported = MomentDetector(opened("detector", tmp_path / "detector.onnx"), SETTINGS)
    pairs = [(window(clips, clips, missing), query(clips % 5 + 1, clips)) for clips, missing in MIX]
    expected = MomentDetector(network, SETTINGS).ground(pairs)
    for one, other in zip(exported.ground(pairs), expected, strict=True):
        same(one, other)


def test_the_exported_gate_sees_the_detectors_own_local_saliency(
    network: Network, tmp_path: Path
) -> None:
    scale, bias = saliency_parameters(network.model)
    settings = msgspec.structs.replace(
        SETTINGS, saliency_scale=scale, saliency_bias=bias, gate_dims=WIDTH
    )
    clip_path, query_path = tmp_path / "gate_clip.onnx", tmp_path / "gate_query.onnx"
    export_gate(network.model, clip_path, query_path)
    gate = Gate(opened("gate_clip", clip_path), opened("gate_query", query_path), settings)
    queries = [query(tokens, tokens) for tokens in (1, 4, 9)]
    gate.watch(queries)
    made = window(11, 5)
    logits = gate.local_saliency(gate.clip_vectors(made.vectors))  # [L, Q]
    found = MomentDetector(network, settings).ground([(made, one) for one in queries])
    expected = np.stack([grounding.local_saliency for grounding in found], axis=1)
    np.testing.assert_allclose(logits, expected, atol=2e-3)
