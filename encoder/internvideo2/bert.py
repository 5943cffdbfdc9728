"""The text tower of InternVideo2 Stage 2: the first layers of a BERT-large, and a projection.

Sources: Wang et al., "InternVideo2" (ECCV 2024). The checkpoint's further layers attend to video
and only serve its re-ranking.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from encoder.bert import Bert, BertConfig


class Stage2Text(nn.Module):
    """A sentence's vector from its [CLS] token; SG-DETR's tokens by the same projection."""

    def __init__(self, config: BertConfig, joint: int) -> None:
        super().__init__()
        self.bert = Bert(config)
        self.text_proj = nn.Linear(config.width, joint)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """int64 [B, N] twice -> pooled [B, D] of norm 1, tokens [B, N, D] of any norm."""
        tokens = self.text_proj(self.bert(input_ids, attention_mask))
        return F.normalize(tokens[:, 0], dim=-1), tokens
