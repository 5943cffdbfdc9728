"""Weights with official names are loaded strictly."""

import pytest
import torch

from grounding.errors import WeightsError
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.model import SGDETR
from grounding.sgdetr.weights import (
    CELL_ANCHORS,
    inference_keys,
    load_official,
    variant_of,
)
from tests.grounding.sgdetr.networks import GOLDEN, recipe_state, small

OFFICIAL = small(SGDETRConfig.qvhighlights())
KEYS = GOLDEN / "state_dict_keys.tsv"


@pytest.fixture(scope="module")
def state():
    return recipe_state(SGDETR(OFFICIAL))


@pytest.mark.skipif(not KEYS.exists(), reason="golden figures are not here")
def test_names_and_shapes_are_the_official_ones():
    with torch.device("meta"):
        own = SGDETR(SGDETRConfig.qvhighlights()).state_dict()
    rows = [line.split("\t") for line in KEYS.read_text().splitlines() if line.strip()]
    expected = {
        key.removeprefix("model."): [] if shape == "scalar" else [int(n) for n in shape.split(",")]
        for key, shape, *_ in rows
        if key.startswith("model.")
    }
    assert {key: list(value.shape) for key, value in own.items()} == expected


def test_the_inference_subset_has_the_known_size():
    with torch.device("meta"):
        model = SGDETR(SGDETRConfig.qvhighlights())
    kept = inference_keys(dict(model.named_parameters()))
    assert sum(model.get_parameter(key).numel() for key in kept) == 11_799_332


def test_loads_with_or_without_the_prefix(state):
    model = SGDETR(OFFICIAL)
    load_official(model, state)
    assert torch.equal(model.fpn.level0[1].norm.bias, state["model.fpn.level0.1.norm.bias"])
    again = SGDETR(OFFICIAL)
    load_official(again, model.state_dict())
    assert torch.equal(again.local_saliency_head.temp, model.local_saliency_head.temp)


def test_what_only_trains_may_be_missing_for_inference(state):
    names = inference_keys(key.removeprefix("model.") for key in state)
    some = {f"model.{name}": state[f"model.{name}"] for name in names}
    load_official(SGDETR(OFFICIAL), some, inference=True)
    with pytest.raises(WeightsError, match=r"missing main_det_head\.co_mapper"):
        load_official(SGDETR(OFFICIAL), some)


def test_every_difference_is_named_and_nothing_is_loaded(state):
    wrong = dict(state)
    del wrong["model.local_saliency_head.temp"]
    wrong["model.surplus"] = torch.zeros(1)
    wrong["model.modality_embeddings.weight"] = torch.zeros(3, 32)
    model = SGDETR(OFFICIAL)
    before = model.fpn.level0[1].norm.weight.clone()
    with pytest.raises(WeightsError) as caught:
        load_official(model, wrong)
    sentence = str(caught.value)
    for part in ("missing local_saliency_head.temp", "unknown surplus", "shape [3, 32], not"):
        assert part in sentence
    assert torch.equal(model.fpn.level0[1].norm.weight, before)


def test_foreign_anchors_are_refused(state):
    key = f"model.{CELL_ANCHORS}2"
    assert state[key].dtype == torch.float64
    with pytest.raises(WeightsError, match=r"cell_anchors\.2 holds"):
        load_official(SGDETR(OFFICIAL), {**state, key: state[key] + 0.5})


@pytest.mark.parametrize("preset", ["qvhighlights", "tacos", "tvsum"])
def test_the_variant_is_read_from_the_keys(preset):
    config = small(getattr(SGDETRConfig, preset)())
    found = variant_of(recipe_state(SGDETR(config)), SGDETRConfig.qvhighlights())
    assert found.selector == config.selector
    assert found.pooling_layers == config.pooling_layers
    assert (found.video_features, found.text_features) == (24, 20)


def test_no_variant_in_foreign_weights():
    with pytest.raises(WeightsError, match="not an SG-DETR"):
        variant_of({"layer.weight": torch.zeros(1)}, OFFICIAL)
