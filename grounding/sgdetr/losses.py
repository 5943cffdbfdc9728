"""SG-DETR's training loss: all terms, their weights, their sum (specification section 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from grounding.sgdetr.atss_loss import atss_terms
from grounding.sgdetr.auxiliary_loss import auxiliary_terms
from grounding.sgdetr.detection_loss import collab_terms, detection_terms
from grounding.sgdetr.loss_settings import LossSettings
from grounding.sgdetr.predictions import Predictions, Targets
from grounding.sgdetr.saliency_loss import SaliencyScores, saliency_terms

Terms = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class LossReport:
    """The loss of a batch: `total` = sum of weight * term over `terms`.

    Names are the official ones: `loss_span` and so on are the last decoder layer's, `_0` and `_1`
    earlier layers', `enc_` the selector's, `co_` the collaborative queries', `aux_` the ATSS
    head's. `parts` are the eight terms whose sum is `loss_saliency`.
    """

    total: Tensor  # scalar, carries gradient
    terms: Terms  # unweighted scalars, without gradient
    weights: dict[str, float]
    parts: Terms  # without gradient


class SGDETRLoss:
    """Callable loss; every term that has nothing to count is 0, so any batch can train."""

    def __init__(self, settings: LossSettings) -> None:
        self.settings = settings

    def __call__(self, predictions: Predictions, targets: Targets) -> LossReport:
        """Loss of a training forward pass.

        Raises ValueError if `predictions` come from a forward pass without targets.
        """
        if predictions.tokens is None or predictions.assignment is None:
            raise ValueError("the forward pass had no targets: give them to the model to train")
        terms: Terms = {}
        if self.settings.spans:
            terms |= self._detection(predictions, targets)
            terms |= self._collab(predictions, targets)
            dense = atss_terms(predictions.atss, predictions.assignment)
            terms |= {f"aux_loss_{name}": value for name, value in dense.items()}
        parts = self._saliency(predictions, targets)
        terms["loss_saliency"] = torch.stack(list(parts.values())).sum()
        auxiliary = auxiliary_terms(predictions.tokens, predictions.mask, targets)
        terms |= {f"loss_{name}": value for name, value in auxiliary.items()}
        weights = {name: term_weight(name, self.settings) for name in terms}
        total = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        return LossReport(total, _detached(terms), weights, _detached(parts))

    def _detection(self, predictions: Predictions, targets: Targets) -> Terms:
        """Terms of the decoder's layers and of the selector, matched in one go."""
        count = len(predictions.layers)
        heads = list(predictions.layers)
        if predictions.encoder is not None:
            heads.append(predictions.encoder)
        terms: Terms = {}
        for name, values in detection_terms(heads, targets.spans, self.settings).items():
            terms |= _by_layer(f"loss_{name}", values[:count])
            if predictions.encoder is not None:
                terms[f"enc_loss_{name}"] = self.settings.selector_share * values[count]
        return terms

    def _collab(self, predictions: Predictions, targets: Targets) -> Terms:
        if predictions.collab is None:
            return {}
        terms: Terms = {}
        for name, values in collab_terms(predictions.collab, targets.present).items():
            terms |= _by_layer(f"co_loss_{name}", self.settings.collab_share * values)
        return terms

    def _saliency(self, predictions: Predictions, targets: Targets) -> Terms:
        """The parts of `loss_saliency`: four terms each of local and global scores."""
        negative = predictions.negative
        if negative is None:
            nobody = torch.zeros_like(targets.present)
            local = SaliencyScores(predictions.local_saliency, None, nobody)
            whole = SaliencyScores(predictions.global_saliency, None, nobody)
        else:
            kept = negative.kept
            local = SaliencyScores(predictions.local_saliency, negative.local_saliency, kept)
            whole = SaliencyScores(predictions.global_saliency, negative.global_saliency, kept)
        parts: Terms = {}
        for kind, scores in (("local", local), ("global", whole)):
            found = saliency_terms(scores, predictions.mask, targets, self.settings)
            parts |= {f"{name}_{kind}": value for name, value in found.items()}
        return parts


def term_weight(name: str, settings: LossSettings) -> float:
    """Weight of a term: prefixes and layer suffixes fall away, except the ATSS head's `aux_`.

    >>> term_weight("co_loss_span_1", LossSettings())
    10.0
    """
    head, _, kind = name.partition("loss_")
    kind = kind.rstrip("0123456789").removesuffix("_")
    if head == "aux_":
        return float(getattr(settings.atss, kind.replace("ctrness", "centerness")))
    owner = settings.span if hasattr(settings.span, kind) else settings
    return float(getattr(owner, kind))


def _detached(terms: Terms) -> Terms:
    return {name: value.detach() for name, value in terms.items()}


def _by_layer(name: str, values: Tensor) -> Terms:
    """One term per layer of `values` [K]; the last layer's has no suffix."""
    last = len(values) - 1
    return {name if i == last else f"{name}_{i}": value for i, value in enumerate(values)}
