"""InternVideo2's video tower: clips to unit vectors. `state_dict` has the official keys and shapes.

Source: Wang et al., "InternVideo2" (ECCV 2024).
"""

import torch
from torch import Tensor, nn

from encoder.errors import ClipError
from encoder.internvideo2.config import VideoConfig
from encoder.internvideo2.layers import Block, PatchEmbed
from encoder.internvideo2.pooling import AttentionPool
from encoder.internvideo2.positions import image_table

ENCODER = "vision_encoder."


class VisionEncoder(nn.Module):
    """Patches, blocks and pooling; no norm after the last block, as published."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        self.frames, self.image = config.frames, config.image
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, config.tokens, config.width))
        if config.image_table:
            rows = 1 + config.grid**2
            self.img_pos_embed = nn.Parameter(torch.zeros(1, rows, config.width))
        self.patch_embed = PatchEmbed(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.clip_projector = AttentionPool(config)

    def embed(self, pixels: Tensor) -> Tensor:
        """[B, T, 3, H, W] -> tokens with their positions [B, 1 + T * h * w, D].

        Raises ClipError unless T is the table's number of frames or 1, and H and W its size.
        """
        frames, size = pixels.shape[1], tuple(pixels.shape[3:])
        if frames not in (1, self.frames) or size != (self.image, self.image):
            raise ClipError(
                f"clips of {frames} frames of {size[1]}x{size[0]} pixels do not fit a tower for"
                f" {self.frames} of {self.image}x{self.image}: load its checkpoint for theirs"
            )
        patches = self.patch_embed(pixels.to(self.cls_token.dtype))
        whole = self.cls_token.expand(patches.shape[0], -1, -1)
        tokens: Tensor = torch.cat([whole, patches], dim=1) + self._positions(frames)
        return tokens

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, T, 3, H, W] -> pooled [B, P]."""
        tokens = self.embed(pixels)
        for block in self.blocks:
            tokens = block(tokens)
        pooled: Tensor = self.clip_projector(tokens)
        return pooled

    def _positions(self, frames: int) -> Tensor:
        if frames == self.frames:
            return self.pos_embed
        own: Tensor | None = getattr(self, "img_pos_embed", None)
        return image_table(self.pos_embed, self.frames) if own is None else own


class VideoTower(nn.Module):
    """The encoder and the map into the space that texts share."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_encoder = VisionEncoder(config)
        head = nn.Linear(config.pooled, config.joint)
        if config.head == "projection":
            self.vision_proj = head
        else:
            self.vision_align = nn.Sequential(nn.LayerNorm(config.pooled, eps=1e-5), head)

    def project(self, pooled: Tensor) -> Tensor:
        """[B, P] -> [B, D] of any norm, in the head's precision."""
        head = self.vision_proj if self.config.head == "projection" else self.vision_align
        out: Tensor = head(pooled.to(next(head.parameters()).dtype))
        return out

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [B, T, 3, H, W] -> float32 [B, D] of norm 1.

        Raises ClipError for clips of another length or size.
        """
        vectors: Tensor = self.project(self.vision_encoder(pixels)).float()
        # F.normalize, without the shape arithmetic that it leaves in graphs
        length: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
        return vectors / length.clamp_min(1e-12)

    def in_precision(self, dtype: torch.dtype) -> "VideoTower":
        """A tower whose encoder is in `dtype`; the last map and the vector stay float32.

        Tensors that have their precision already are shared with this tower, not copied.
        """
        state = {
            key: value.to(dtype if key.startswith(ENCODER) else torch.float32)
            for key, value in self.state_dict().items()
        }
        return tower_of(self.config, state)


def tower_of(config: VideoConfig, state: dict[str, Tensor]) -> VideoTower:
    """A tower, ready for inference, that takes these very tensors for its own (strict)."""
    with torch.device("meta"):
        tower = VideoTower(config)
    tower.load_state_dict(state, assign=True)
    return tower.requires_grad_(False).eval()
