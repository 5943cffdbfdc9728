"""The whole network with its losses: the official total and gradients, end to end."""

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.loss_settings import LossSettings
from grounding.sgdetr.losses import SGDETRLoss
from grounding.sgdetr.model import SGDETR
from tests.grounding.sgdetr import loss_golden as golden

pytestmark = pytest.mark.skipif(
    not (golden.GOLDEN / "loss_allneg.npz").exists(), reason="golden figures are not here"
)


def recipe():
    """The golden figures' own rule for weights and probes."""
    path = golden.GOLDEN / "make_weights.py"
    spec = importlib.util.spec_from_file_location("make_weights", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("drop_path", "dropout", "probability", "rate"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return model


def first_negatives(samples, positions):
    """The golden run takes the first negatives in position order."""
    return (torch.arange(positions) / positions).expand(samples, -1)


@pytest.fixture(params=["loss_allneg.npz", "loss_one_excluded.npz"], scope="module")
def trained(request):
    arrays = golden.load(request.param)
    rule = recipe()
    config = SGDETRConfig.qvhighlights()
    model = without_dropout(SGDETR(config)).train()
    with torch.no_grad():
        for name, value in model.named_parameters():
            weight = torch.from_numpy(rule.make_weight(f"model.{name}", value.shape))
            value.copy_(weight.reshape(value.shape))
    names = ("src_vid", "src_vid_mask", "src_txt", "src_txt_mask")
    inputs = [golden.tensor(arrays, f"in/{name}") for name in names]
    targets = golden.targets_of(arrays)
    report = SGDETRLoss(LossSettings.official())(
        model(*inputs, targets=targets, draw=first_negatives), targets
    )
    report.total.backward()
    return arrays, report, dict(model.named_parameters()), rule


def test_terms_and_total(trained):
    arrays, report, _, _ = trained
    for name, value in (report.terms | {"total": report.total}).items():
        expected = arrays["total" if name == "total" else f"loss/{name}"]
        found = float(value.detach())
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_gradients(trained):
    arrays, _, parameters, rule = trained
    checked = 0
    for key, norm, probe in zip(
        arrays["grad/keys"], arrays["grad/norm"], arrays["grad/probe_dot"], strict=True
    ):
        name = str(key).removeprefix("model.")
        gradient = parameters[name].grad
        if np.isnan(norm):
            assert gradient is None or not gradient.any(), name
            continue
        found = gradient.double().numpy()
        tolerance = 1e-3 * norm + 1e-6
        assert abs(np.linalg.norm(found) - norm) <= tolerance, name
        direction = rule.normal(f"probe/{key}", found.shape)
        assert abs((found * direction).sum() - probe) <= tolerance, name
        checked += 1
    assert checked > 340
