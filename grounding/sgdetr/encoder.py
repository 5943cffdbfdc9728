"""The post-norm transformer encoder: of the video, and inside the auxiliary encoders."""

from torch import Tensor, nn

from grounding.sgdetr.attention import ProjectedAttention, key_bias
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.layers import DropPath, FeedForward


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each followed by a LayerNorm on the sum."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.self_attn = ProjectedAttention(config.width, config.heads, config.dropout)
        self.ffn = FeedForward(config.width, config.ffn_width, config.dropout)
        self.norm1 = nn.LayerNorm(config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.drop_path = DropPath(config.drop_path)

    def forward(self, x: Tensor, position: Tensor, bias: Tensor) -> Tensor:
        """`x`, `position` [B, L, d] -> [B, L, d]."""
        x = self.norm1(x + self.drop_path(self.self_attn(x, position, bias)))
        out: Tensor = self.norm2(x + self.drop_path(self.ffn(x)))
        return out


class EncoderStack(nn.Module):
    """Layers one after the other; no norm at the end."""

    def __init__(self, config: SGDETRConfig, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(layers))

    def forward(self, x: Tensor, position: Tensor, mask: Tensor) -> Tensor:
        """`x`, `position` [B, L, d], `mask` [B, L] of the keys -> [B, L, d]."""
        bias = key_bias(mask)
        for layer in self.layers:
            x = layer(x, position, bias)
        return x


class VideoEncoder(nn.Module):
    """Holds the stack under its official name."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.encoder = EncoderStack(config, config.encoder_layers)

    def forward(self, x: Tensor, position: Tensor, mask: Tensor) -> Tensor:
        """Memory M [B, L, d]."""
        memory: Tensor = self.encoder(x, position, mask)
        return memory
