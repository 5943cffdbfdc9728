"""all-MiniLM-L6-v2 in PyTorch: the sentence tower of `watchword-lite` (training and export).

Sources: Wang et al., "MiniLM" (NeurIPS 2020); Reimers and Gurevych, "Sentence-BERT" (EMNLP 2019)
for the mean pooling. The tower stays frozen.
"""

import torch.nn.functional as F
from torch import Tensor

from encoder.bert import Bert, BertConfig

CONFIG = BertConfig(width=384, layers=6, heads=12, hidden=1536)


class MiniLM(Bert):
    """The BERT of MiniLM's size."""

    def __init__(self) -> None:
        super().__init__(CONFIG)


def mean_pool(last_hidden: Tensor, mask: Tensor) -> Tensor:
    """Unit mean of the real tokens, [B, N, 384] and [B, N] -> [B, 384]: the sentence's vector."""
    weight = mask.to(last_hidden.dtype)[:, :, None]
    return F.normalize((last_hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1), dim=-1)
