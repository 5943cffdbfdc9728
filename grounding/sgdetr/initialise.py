"""First values of the weights (specification 2.2 - 2.11)."""

import math

from torch import nn

from grounding.sgdetr.atss_head import AtssHead
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.layers import InputProjection, Perceptron
from grounding.sgdetr.saliency import LocalSaliencyHead

SPREAD = 0.02  # of pooled tokens and the pooling's linear layers
CONVOLUTION_SPREAD = 0.01


def initialise(model: nn.Module, config: SGDETRConfig) -> None:
    """Set all weights of an SG-DETR; general rules first, what has its own rule after."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv1d):
            nn.init.normal_(module.weight, std=CONVOLUTION_SPREAD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, parameter in model.named_parameters():
        if name.endswith(("_rep_token", "_rep_pos", "cls_q")) or "_embeddings." in name:
            nn.init.trunc_normal_(parameter, std=SPREAD)
        elif name.endswith("label_enc.weight"):
            nn.init.normal_(parameter, std=CONVOLUTION_SPREAD)
    for module in model.modules():
        _special(module)
    _priors(model, config.prior)


def _special(module: nn.Module) -> None:
    if isinstance(module, Perceptron):
        module.reset_last()
    elif isinstance(module, LocalSaliencyHead):
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=SPREAD)
    elif isinstance(module, InputProjection):
        first = module.linear_mapper[0].get_submodule("mapper.2")
        assert isinstance(first, nn.Linear)
        nn.init.xavier_uniform_(first.weight, gain=nn.init.calculate_gain("relu"))
    elif isinstance(module, AtssHead):
        for scale in module.regression_head.scales.parameters():
            nn.init.ones_(scale)


def _priors(model: nn.Module, prior: float) -> None:
    """Start labels at the share of positives that is expected, global saliency at local."""
    logit = math.log(prior / (1.0 - prior))
    biases = {
        "main_det_head.class_embed.bias": logit,
        "aux_det_head.classification_head.cls_logits.layers.1.bias": logit,
        "query_selector.enc_out_class_embed.bias": logit,
        "query_selector.enc_out_iou_embed.bias": 2.0 * logit,
        "global_saliency_head.bias": 0.0,
        "global_saliency_head.weight": 0.0,
    }
    for name, parameter in model.named_parameters():
        if name in biases:
            nn.init.constant_(parameter, biases[name])
