"""Weights kept as int8 and computed in float32: a quarter of the size, the same on every machine.

Symmetric rounding in groups of 32 neighbours along a row, one float16 scale a group. Activations
are never rounded, so no CPU saturates and results do not depend on its instruction set.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUP = 32


def round_to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """[R, C], C a multiple of 32 -> int8 [R, C/32, 32] and its scales float16 [R, C/32, 1]."""
    groups = weight.detach().float().reshape(weight.shape[0], -1, GROUP)
    scale = (groups.abs().amax(dim=2, keepdim=True) / 127.0).clamp(min=1e-6).half()
    values = (groups / scale.float()).round().clamp(-127, 127)
    return values.to(torch.int8), scale


class Int8Linear(nn.Module):
    """`nn.Linear` with an int8 weight."""

    values: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        values, scale = round_to_int8(linear.weight)
        self.register_buffer("values", values)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """[..., C] -> [..., R]."""
        return F.linear(x, (self.values.float() * self.scale.float()).flatten(1), self.bias)


class Int8Embedding(nn.Module):
    """`nn.Embedding` with an int8 table; only the rows asked for become float32."""

    values: Tensor
    scale: Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        values, scale = round_to_int8(embedding.weight)
        self.register_buffer("values", values)
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        """int64 [B, N] -> [B, N, C]."""
        return (self.values[ids].float() * self.scale[ids].float()).flatten(2)


def quantise(module: nn.Module) -> nn.Module:
    """Replace, in place, every linear map and embedding of `module` that divides into groups."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear) and child.in_features % GROUP == 0:
            setattr(module, name, Int8Linear(child))
        elif isinstance(child, nn.Embedding) and child.embedding_dim % GROUP == 0:
            setattr(module, name, Int8Embedding(child))
        else:
            quantise(child)
    return module
