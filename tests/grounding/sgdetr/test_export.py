"""The ONNX graphs say what the network says, at every batch, length and number of tokens."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.onnx_weights import store_fp16
from encoder.session import SessionOptions, open_session
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.end_points import with_end_points
from grounding.sgdetr.export import (
    DETECTOR_INPUTS,
    DETECTOR_OUTPUTS,
    export_detector,
    export_gate,
    saliency_parameters,
)
from grounding.sgdetr.model import SGDETR, SILENT
from tests.grounding.sgdetr import loss_golden
from tests.grounding.sgdetr.networks import GOLDEN, random_inputs, small, with_recipe

LIVE = small(SGDETRConfig.live())
CPU = SessionOptions(threads=1, device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def live(folder):
    """A small live network and its detector's session."""
    model = with_recipe(LIVE)
    export_detector(model, folder / "detector.onnx")
    return model, open_session(folder / "detector.onnx", CPU)


@pytest.fixture(scope="module")
def gate(live, folder):
    model, _ = live
    export_gate(model, folder / "clip.onnx", folder / "query.onnx")
    return open_session(folder / "clip.onnx", CPU), open_session(folder / "query.onnx", CPU)


def expected(model: SGDETR, inputs) -> dict[str, np.ndarray]:
    """The network's answer under the graph's names and units."""
    if model.config.end_points:
        inputs = (*with_end_points(*inputs[:2]), *inputs[2:])
    with torch.no_grad():
        found = model(*inputs)
    share = (found.lengths / inputs[0].shape[1])[:, None, None]
    values = {
        "local_saliency": found.local_saliency,
        "global_saliency": found.global_saliency,
        "span": found.last.span * share,
        "label": found.last.label,
        "quality": found.last.quality,
        "atss_label": found.atss.label,
        "atss_box": found.atss.box,
        "atss_centerness": found.atss.centerness,
    }
    return {name: value.numpy() for name, value in values.items()}


def answer(session, inputs) -> dict[str, np.ndarray]:
    arrays = {name: x.numpy() for name, x in zip(DETECTOR_INPUTS, inputs, strict=True)}
    return session.run(arrays)


def compare(model, session, inputs, atol=5e-5):
    found, wanted = answer(session, inputs), expected(model, inputs)
    assert tuple(found) == DETECTOR_OUTPUTS
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=atol, err_msg=name)


def test_names_are_the_contract(live):
    _, session = live
    session.require(set(DETECTOR_INPUTS), set(DETECTOR_OUTPUTS))


@pytest.mark.parametrize(
    ("batch", "clips", "tokens"),
    [(1, 8, 1), (2, 16, 5), (1, 76, 12), (3, 40, 40), (5, 12, 3), (1, 200, 7)],
)
def test_detector_equals_the_network(live, batch, clips, tokens):
    compare(*live, random_inputs(LIVE, batch, clips, tokens, seed=clips))


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(2, 12), st.integers(1, 9), st.integers(0, 99))
def test_detector_equals_the_network_under_any_mask(live, batch, quarters, tokens, seed):
    model, session = live
    video, mask, text, text_mask = random_inputs(LIVE, batch, 4 * quarters, tokens, seed)
    draw = np.random.default_rng(seed)
    mask = torch.from_numpy((draw.random(mask.shape) < 0.7).astype(np.float32))
    mask[:, 0] = 1
    text_mask = torch.from_numpy((draw.random(text_mask.shape) < 0.7).astype(np.float32))
    text_mask[:, 0] = 1
    found = answer(session, (video, mask, text, text_mask))
    wanted = expected(model, (video, mask, text, text_mask))
    for name in ("local_saliency", "global_saliency", "atss_label", "atss_centerness", "atss_box"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=5e-5, err_msg=name)
    # Near ties of the selector may swap two queries: compare what fired as sets.
    fires = wanted["label"] > SILENT
    np.testing.assert_array_equal(np.sort(found["label"] > SILENT), np.sort(fires))
    np.testing.assert_allclose(np.sort(found["label"]), np.sort(wanted["label"]), atol=1e-3)


def test_gate_gives_the_detectors_local_saliency(live, gate):
    model, session = live
    clip, query = gate
    inputs = random_inputs(LIVE, 3, 12, 6)
    inputs[3][1, 2:] = 0
    video, _, text, text_mask = (x.numpy() for x in inputs)
    rows = clip.run({"video": video.reshape(-1, LIVE.video_dims)})["clip"]
    sentence = query.run({"text": text, "text_mask": text_mask})["sentence"]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(sentence, axis=1), 1.0, atol=1e-5)
    scale, bias = saliency_parameters(model)
    rows = rows.reshape(3, 12, -1)
    scored = scale * np.einsum("bld,bd->bl", rows, sentence) + bias
    np.testing.assert_allclose(scored, answer(session, inputs)["local_saliency"], atol=2e-5)


@pytest.mark.parametrize(("clips", "queries"), [(1, 1), (7, 20)])
def test_gate_takes_any_number_of_clips_and_queries(gate, clips, queries):
    clip, query = gate
    rows = clip.run({"video": np.ones((clips, LIVE.video_dims), np.float32)})["clip"]
    assert rows.shape == (clips, LIVE.width)
    text = np.ones((queries, 3, LIVE.text_features), np.float32)
    mask = np.ones((queries, 3), np.float32)
    sentence = query.run({"text": text, "text_mask": mask})["sentence"]
    assert sentence.shape == (queries, LIVE.width)


def test_the_network_is_left_as_it_was(live, tmp_path):
    model, _ = live
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    export_detector(model, tmp_path / "again.onnx")
    assert model.training
    model.eval()
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_learned_anchors_export_too(tmp_path):
    config = small(SGDETRConfig.tvsum())
    model = with_recipe(config)
    export_detector(model, tmp_path / "highlights.onnx")
    session = open_session(tmp_path / "highlights.onnx", CPU)
    video, mask, text, text_mask = random_inputs(config, 2, 20, 4)
    mask[:, 18:] = 0
    compare(model, session, (video[..., : config.video_features], mask, text, text_mask))


def test_half_precision_weights_change_little(live, folder):
    model, _ = live
    halved = store_fp16(onnx.load(folder / "detector.onnx"))
    onnx.save(halved, folder / "half.onnx")
    session = open_session(folder / "half.onnx", CPU)
    inputs = random_inputs(LIVE, 2, 16, 5)
    found, wanted = answer(session, inputs), expected(model, inputs)
    np.testing.assert_allclose(found["local_saliency"], wanted["local_saliency"], atol=0.05)
    assert np.abs(found["atss_label"] - wanted["atss_label"]).max() < 0.05


@pytest.mark.skipif(
    not (GOLDEN / "sgdetr_a_L75_N12.npz").exists(), reason="golden figures are not here"
)
def test_detector_equals_the_golden_figures(tmp_path):
    """The full-size official network through ONNX Runtime."""
    model = with_recipe(replace(SGDETRConfig.qvhighlights()))
    export_detector(model, tmp_path / "official.onnx")
    session = open_session(tmp_path / "official.onnx", CPU)
    for case in ("a_L75_N12", "b_L40_N40", "c_batch3_L40", "d_L8_N5"):
        arrays = loss_golden.load(f"sgdetr_{case}.npz")
        names = ("src_vid", "src_vid_mask", "src_txt", "src_txt_mask")
        inputs = {name: arrays[key] for name, key in zip(DETECTOR_INPUTS, names, strict=True)}
        seen = inputs["video"].any(axis=2)  # the loader's rows that fill up are zero, and "valid"
        inputs |= {"video": inputs["video"][..., :512], "video_mask": seen.astype(np.float32)}
        found = session.run(inputs)
        wanted = {
            "local_saliency": arrays["S_local"],
            "global_saliency": arrays["S_global"],
            "span": arrays["dec_span"][-1],
            "label": arrays["dec_cls"][-1][..., 0],
            "quality": arrays["dec_quality"][-1][..., 0],
            "atss_label": np.concatenate([arrays[f"atss_cls{i}"] for i in range(4)], 1)[..., 0],
            "atss_box": np.concatenate([arrays[f"atss_box{i}"] for i in range(4)], 1),
            "atss_centerness": np.concatenate([arrays[f"atss_ctr{i}"] for i in range(4)], 1)[
                ..., 0
            ],
        }
        for name, value in wanted.items():
            np.testing.assert_allclose(
                found[name], value, rtol=0, atol=2e-5, err_msg=f"{case} {name}"
            )
