"""The DETR head: a DAB/DINO-like decoder over the memory, single scale, with refinement."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grounding.sgdetr.attention import PlainAttention, join_heads, split_heads
from grounding.sgdetr.config import SGDETRConfig
from grounding.sgdetr.layers import DropPath, FeedForward, Perceptron, inverse_sigmoid
from grounding.sgdetr.position import span_sine
from grounding.sgdetr.predictions import QueryOutputs


@dataclass(frozen=True, slots=True)
class Memory:
    """What queries attend to."""

    rows: Tensor  # [B, L, d] amplified memory M_g
    position: Tensor  # [B, L, d]
    bias: Tensor  # additive, broadcast to [B, heads, Q, L]


class SelfAttention(nn.Module):
    """Queries among themselves, content and position projected apart."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        width = config.width
        self.query_content_proj = nn.Linear(width, width)
        self.query_pos_proj = nn.Linear(width, width)
        self.key_content_proj = nn.Linear(width, width)
        self.key_pos_proj = nn.Linear(width, width)
        self.value_proj = nn.Linear(width, width)
        self.self_attn = PlainAttention(width, config.heads, config.dropout)
        self.norm1 = nn.LayerNorm(width)
        self.drop_path = DropPath(config.drop_path)

    def forward(self, x: Tensor, position: Tensor, bias: Tensor | None) -> Tensor:
        """`x`, `position` [B, Q, d] -> [B, Q, d]; `bias` [Q, Q] hides groups from each other."""
        position = self.query_pos_proj(position)
        query = self.query_content_proj(x) + position
        # The key's position is projected from the projected one: as in the official weights.
        key = self.key_content_proj(x) + self.key_pos_proj(position)
        mixed = self.self_attn(query, key, self.value_proj(x), bias)
        out: Tensor = self.norm1(x + self.drop_path(mixed))
        return out


class CrossAttention(nn.Module):
    """Per head, content (32) and position (32) side by side; its only parameter is the output."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.dropout
        self.out_proj = nn.Linear(config.width, config.width)

    def forward(
        self, query: tuple[Tensor, Tensor], key: tuple[Tensor, Tensor], value: Tensor, bias: Tensor
    ) -> Tensor:
        """`query` and `key` are (content, position), [B, Q, d] and [B, L, d] each."""
        mixed = F.scaled_dot_product_attention(
            torch.cat([split_heads(part, self.heads) for part in query], dim=-1),
            torch.cat([split_heads(part, self.heads) for part in key], dim=-1),
            split_heads(value, self.heads),
            attn_mask=bias,
            dropout_p=self.dropout if self.training else 0.0,
        )
        out: Tensor = self.out_proj(join_heads(mixed))
        return out


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention to the memory, feed-forward; a LayerNorm after each."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        width = config.width
        self.self_attention = SelfAttention(config)
        self.ca_qcontent_proj = nn.Linear(width, width)
        self.ca_qpos_sine_proj = nn.Linear(width, width)
        self.ca_kcontent_proj = nn.Linear(width, width)
        self.ca_kpos_proj = nn.Linear(width, width)
        self.ca_value_proj = nn.Linear(width, width)
        self.cross_attn = CrossAttention(config)
        self.ffn = FeedForward(width, config.ffn_width, config.dropout)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.drop_path = DropPath(config.drop_path)

    def forward(
        self, x: Tensor, position: Tensor, sine: Tensor, memory: Memory, bias: Tensor | None
    ) -> Tensor:
        """`x`, `position`, `sine` (modulated) [B, Q, d] -> [B, Q, d]."""
        x = self.self_attention(x, position, bias)
        query = self.ca_qcontent_proj(x), self.ca_qpos_sine_proj(sine)
        key = self.ca_kcontent_proj(memory.rows), self.ca_kpos_proj(memory.position)
        read = self.cross_attn(query, key, self.ca_value_proj(memory.rows), memory.bias)
        x = self.norm2(x + self.drop_path(read))
        out: Tensor = self.norm3(x + self.drop_path(self.ffn(x)))
        return out


@dataclass(frozen=True, slots=True)
class LayerState:
    """A decoder layer's result; `reference` is what its span refines."""

    hidden: Tensor  # [B, Q, d] normed
    reference: Tensor  # [B, Q, 2]
    quality: Tensor  # [B, Q] logits


class Decoder(nn.Module):
    """Layers that move each query's reference span a little (eq. 7 and DAB-DETR's modulation)."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        width = config.width
        self.width = width
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.query_scale = Perceptron(width, width, width)
        self.ref_point_head = Perceptron(width, width, width)
        self.ref_anchor_head = Perceptron(width, width, 1)
        self.span_embed = Perceptron(width, width, width, 2, zero_last=True)
        self.quality_score_embed = Perceptron(2 * width, width, width, 1)
        self.norm = nn.LayerNorm(width)

    def forward(
        self, x: Tensor, reference: Tensor, memory: Memory, bias: Tensor | None
    ) -> list[LayerState]:
        """`x` [B, Q, d] contents and `reference` [B, Q, 2] spans through all layers.

        A layer's reference carries the gradient of the layer before ("look forward twice"), while
        what enters the next layer is detached.
        """
        states: list[LayerState] = []
        sine = span_sine(reference, self.width)
        entering = reference
        for layer in self.layers:
            modulation = self.ref_anchor_head(x).sigmoid() / entering[..., 1:]
            modulated = sine * self.query_scale(x) * modulation
            x = layer(x, self.ref_point_head(sine), modulated, memory, bias)
            refined = (self.span_embed(x) + inverse_sigmoid(entering)).sigmoid()
            entering = refined.detach()
            sine = span_sine(entering, self.width)
            quality = self.quality_score_embed(torch.cat([x, sine], dim=-1)).squeeze(-1)
            states.append(LayerState(self.norm(x), reference, quality))
            reference = refined
        return states


class DetectionHead(nn.Module):
    """The decoder with its class and span outputs, and the collaborative queries' mapper."""

    def __init__(self, config: SGDETRConfig) -> None:
        super().__init__()
        width = config.width
        self.co_mapper = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.decoder = Decoder(config)
        self.span_embed = Perceptron(width, width, width, 2, zero_last=True)
        self.class_embed = nn.Linear(width, 1)
        if not config.selector:
            self.refpoint_embed = nn.Embedding(config.queries, 2)
            self.label_enc = nn.Embedding(config.queries, width)

    def forward(
        self, content: Tensor, reference: Tensor, memory: Memory, bias: Tensor | None = None
    ) -> tuple[QueryOutputs, ...]:
        """Every layer's answers for queries `content` [B, Q, d] at `reference` [B, Q, 2]."""
        states = self.decoder(content, reference, memory, bias)
        return tuple(self.answer(state) for state in states)

    def answer(self, state: LayerState) -> QueryOutputs:
        """Class and span of one layer."""
        label = self.class_embed(state.hidden).squeeze(-1)
        offset = self.span_embed(state.hidden)
        span = (offset + inverse_sigmoid(state.reference)).sigmoid()
        return QueryOutputs(label, span, state.quality, state.reference)
