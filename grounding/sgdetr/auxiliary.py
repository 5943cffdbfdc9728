"""Sentence and moment encoders: tokens that two of the training losses compare."""

import torch
from torch import Tensor, nn

from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.encoder import EncoderStack
from grounding.sgdetr.predictions import AuxiliaryTokens


def _with_token(
    token: Tensor, token_position: Tensor, rows: Tensor, position: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Put a learned token, which is always visible, before the rows."""
    size = rows.shape[0]
    sequence = torch.cat([token.expand(size, 1, -1), rows], dim=1)
    positions = torch.cat([token_position.expand(size, 1, -1), position], dim=1)
    return sequence, positions, torch.cat([mask.new_ones(size, 1), mask], dim=1)


class SentenceEncoder(nn.Module):
    """One token reads the text."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.sent_rep_token = nn.Parameter(torch.empty(1, config.width))
        self.sent_rep_pos = nn.Parameter(torch.empty(1, config.width))
        self.sent_cls_encoder = EncoderStack(config, layers=1)

    def forward(self, text: Tensor, mask: Tensor) -> Tensor:
        """`text` [B, N, d] -> sentence token [B, d]."""
        parts = _with_token(
            self.sent_rep_token, self.sent_rep_pos, text, torch.zeros_like(text), mask
        )
        encoded: Tensor = self.sent_cls_encoder(*parts)
        return encoded[:, 0]


class MomentEncoder(nn.Module):
    """One token reads a set of clips."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.moment_rep_token = nn.Parameter(torch.empty(1, config.width))
        self.moment_rep_pos = nn.Parameter(torch.empty(1, config.width))
        self.mcls_encoder = EncoderStack(config, layers=1)

    def forward(self, video: Tensor, position: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Moment token [B, d] and clips [B, L, d] after attending to the rows of `mask` [B, L]."""
        parts = _with_token(self.moment_rep_token, self.moment_rep_pos, video, position, mask)
        encoded: Tensor = self.mcls_encoder(*parts)
        return encoded[:, 0], encoded[:, 1:]

    def tokens(
        self, sentence: Tensor, video: Tensor, position: Tensor, mask: Tensor, relevant: Tensor
    ) -> AuxiliaryTokens:
        """Encode relevant and irrelevant clips (`relevant` bool [B, L]) in one doubled batch."""
        inside = mask * relevant
        masks = torch.cat([inside, mask - inside])  # [2B, L]
        token, clips = self(video.repeat(2, 1, 1), position.repeat(2, 1, 1), masks)
        moment, other = token.chunk(2)
        first, second = clips.chunk(2)
        mixed = torch.where(relevant.unsqueeze(-1), first, second)
        return AuxiliaryTokens(sentence, moment, other, mixed)
