"""Saliency-guided cross-attention (SGCA, section 3.3 of the paper): video reads text."""

from torch import Tensor, nn

from grounding.sgdetr.attention import PlainAttention, key_bias
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.layers import DropPath, FeedForward


class CrossModalLayer(nn.Module):
    """Video rows attend to text; each row's attention is gated by that clip's saliency.

    The paper's p_Q, p_K, p_V do not exist in the official code: only the output is projected.
    """

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.self_attn = PlainAttention(config.width, config.heads, config.dropout)
        self.ffn = FeedForward(config.width, config.ffn_width, config.dropout)
        self.norm1 = nn.LayerNorm(config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.drop_path = DropPath(config.drop_path)

    def forward(
        self, video: Tensor, position: Tensor, text: Tensor, bias: Tensor, gate: Tensor
    ) -> Tensor:
        """`video`, `position` [B, L, d], `text` [B, N, d], `gate` [B, L] -> video [B, L, d]."""
        read = self.self_attn(video + position, text, text, bias, gate)
        video = video + self.drop_path(read)
        out: Tensor = self.norm2(video + self.drop_path(self.norm1(self.ffn(video))))
        return out


class CrossModalStack(nn.Module):
    """The layers, with one LayerNorm after each and once more at the end, on video and text."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossModalLayer(config) for _ in range(config.cross_layers))
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self, video: Tensor, position: Tensor, text: Tensor, text_mask: Tensor, gate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Video [B, L, d] and text [B, N, d] after all layers."""
        bias = key_bias(text_mask)
        for layer in self.layers:
            video = self.norm(layer(video, position, text, bias, gate))
            text = self.norm(text)
        return self.norm(video), self.norm(text)


class CrossModalEncoder(nn.Module):
    """Holds the stack under its official name."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.t2v_encoder = CrossModalStack(config)

    def forward(
        self, video: Tensor, position: Tensor, text: Tensor, text_mask: Tensor, gate: Tensor
    ) -> Tensor:
        """Video [B, L, d] that has read the text; `gate` [B, L] is sigmoid(S_local)."""
        video, _ = self.t2v_encoder(video, position, text, text_mask, gate)
        return video
