"""The two towers of `watchword-lite`, as trained: pictures and words into one space.

A frame's vector is the sum of four readings of one feature map, so that each can do what it is
good at: the whole picture (mean and maximum), single places (attention: a small object may
dominate), the ImageNet classes the backbone already knows (mapped through the text tower's own
projection, so that a class never seen in training still lands beside its name), and, over the
frames of a clip, motion.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoder.efficientnet import STAGE_CHANNELS, EfficientNetLite0

HEAD_CHANNELS = STAGE_CHANNELS[8]  # 1280
MAP_CHANNELS = STAGE_CHANNELS[7]  # 320
CLASSES = 1000


@dataclass(frozen=True, slots=True)
class TowerSettings:
    """Sizes of the towers; the defaults are those of `watchword-lite`."""

    dims: int = 512
    text_dims: int = 384  # MiniLM's hidden size
    hidden: int = 1024
    heads: int = 8  # of the attention over places and over tokens
    motion_dims: int = 96
    dropout: float = 0.1


class AttentionPool(nn.Module):
    """Each head averages the features by a learned score per place and fills its own slice.

    The features are averaged before they are projected: the same result as projecting every
    place first, at a fraction of the cost.
    """

    def __init__(self, inputs: int, dims: int, heads: int) -> None:
        super().__init__()
        self.score = nn.Linear(inputs, heads)
        self.value = nn.Parameter(torch.randn(heads, inputs, dims // heads) * inputs**-0.5)
        self.bias = nn.Parameter(torch.zeros(dims))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, N, inputs], mask [B, N] (1 where there is something) -> [B, dims]."""
        score = self.score(x)  # [B, N, heads]
        if mask is not None:
            score = score.masked_fill(mask[..., None] == 0, -1e4)
        pooled = score.softmax(dim=1).transpose(1, 2) @ x  # [B, heads, inputs]
        sliced = pooled.transpose(0, 1) @ self.value  # [heads, B, dims / heads]
        result: Tensor = sliced.transpose(0, 1).flatten(1) + self.bias
        return result


class TextHead(nn.Module):
    """MiniLM's last hidden states -> the pooled unit vector and the tokens SG-DETR reads.

    Tokens and pooled vector share one projection: the pooled vector is the mean of the projected
    tokens plus an attention over them that starts at zero, so MiniLM's geometry is where training
    begins and unseen words stay placed.
    """

    def __init__(self, settings: TowerSettings) -> None:
        super().__init__()
        self.project = nn.Linear(settings.text_dims, settings.dims)
        self.attend = AttentionPool(settings.text_dims, settings.dims, settings.heads)
        nn.init.zeros_(self.attend.value)

    def forward(self, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N, 384], [B, N] -> pooled [B, D] of norm 1, tokens [B, N, D]."""
        present = mask.to(hidden.dtype)
        mean = (hidden * present[..., None]).sum(1) / present.sum(1, keepdim=True)
        pooled = self.embed_mean(mean) + self.attend(hidden, present)
        return F.normalize(pooled, dim=-1), self.project(hidden)

    def embed_mean(self, mean: Tensor) -> Tensor:
        """Mean hidden states [..., 384] -> [..., D], their norm set to 1 first."""
        projected: Tensor = self.project(F.normalize(mean, dim=-1))
        return projected


class FrameHead(nn.Module):
    """A frame's head map -> its vector, not normalised: frames are averaged first."""

    def __init__(self, settings: TowerSettings, class_means: Tensor) -> None:
        super().__init__()
        self.whole = nn.Sequential(
            nn.LayerNorm(2 * HEAD_CHANNELS),
            nn.Dropout(settings.dropout),
            nn.Linear(2 * HEAD_CHANNELS, settings.hidden),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, settings.dims),
        )
        self.norm = nn.LayerNorm(HEAD_CHANNELS)
        self.places = AttentionPool(HEAD_CHANNELS, settings.dims, settings.heads)
        self.class_weight = nn.Parameter(torch.tensor(1.0))
        # MiniLM's unit mean vectors of the 1000 class names
        self.class_means: Tensor
        self.register_buffer("class_means", class_means)

    def forward(self, head: Tensor, logits: Tensor, text: TextHead) -> Tensor:
        """[B, 1280, h, w], ImageNet logits [B, 1000] -> [B, D]."""
        cells = head.flatten(2).transpose(1, 2)  # [B, h w, 1280]
        whole = self.whole(torch.cat([cells.mean(1), cells.amax(1)], dim=-1))
        classes = logits.softmax(dim=-1) @ self.class_means  # [B, 384]
        named = self.class_weight * text.embed_mean(classes)
        result: Tensor = whole + self.places(self.norm(cells)) + named
        return result


class MotionHead(nn.Module):
    """What changes between the frames of a clip, place by place -> a residual of its vector.

    Reads, for every place, the signed and absolute differences of neighbouring frames and each
    frame's distance from the clip's temporal median; the strongest places are kept (top-k), so a
    small mover counts as much as a large one. The last layer starts at zero.
    """

    TOP = 6  # places kept of each channel

    def __init__(self, settings: TowerSettings) -> None:
        super().__init__()
        dims = settings.motion_dims
        self.reduce = nn.Conv2d(MAP_CHANNELS, dims, 1)
        self.temporal = nn.Conv1d(3 * dims, 2 * dims, 3, padding=1)
        self.out = nn.Sequential(
            nn.LayerNorm(4 * dims),
            nn.Linear(4 * dims, settings.dims),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.dims, settings.dims),
        )
        last = self.out[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Stage-7 maps [B, T, 320, h, w] -> [B, D]."""
        return self.read(_split(self.reduced(maps.flatten(0, 1)), maps.shape[0]))

    def reduced(self, maps: Tensor) -> Tensor:
        """Stage-7 maps [N, 320, h, w] -> [N, dims, P]: all that is needed of a single frame."""
        result: Tensor = self.reduce(maps).flatten(2)
        return result

    def read(self, x: Tensor) -> Tensor:
        """Reduced maps of a clip's frames [B, T, dims, P] -> [B, D]."""
        step = x[:, 1:] - x[:, :-1]  # [B, T-1, dims, P]
        away = (x - _temporal_median(x))[:, 1:].abs()
        parts = [_strongest(part, self.TOP) for part in (step, step.abs(), away)]
        seen = torch.cat(parts, dim=2)  # [B, T-1, 3 dims]
        y = F.gelu(self.temporal(seen.transpose(1, 2)))  # [B, 2 dims, T-1]
        result: Tensor = self.out(torch.cat([y.mean(-1), y.amax(-1)], dim=-1))
        return result


def _temporal_median(x: Tensor) -> Tensor:
    """[B, T, dims, P] -> [B, 1, dims, P]; the mean of the two middle frames where T is even."""
    ordered = x.topk(x.shape[1] // 2 + 1, dim=1).values  # topk: ONNX has no median
    return ordered[:, -2:].mean(1, keepdim=True)


def _strongest(x: Tensor, count: int) -> Tensor:
    """[B, T, dims, P] -> [B, T, dims]: the mean of the values largest in absolute size."""
    kept = x.abs().topk(min(count, x.shape[-1]), dim=-1).indices
    return x.gather(-1, kept).mean(-1)


class VideoTower(nn.Module):
    """Clips of pictures -> one unit vector each."""

    def __init__(
        self, backbone: EfficientNetLite0, frames: FrameHead, motion: MotionHead, text: TextHead
    ) -> None:
        super().__init__()
        self.backbone, self.frames, self.motion, self.text = backbone, frames, motion, text

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pictures [B, T, 3, H, W] -> [B, D], norm 1."""
        batch = pixels.shape[0]
        maps = self.backbone.stages(pixels.flatten(0, 1), 0, 7)  # [B T, 320, h, w]
        head = self.backbone.stages(maps, 8, 8)  # [B T, 1280, h, w]
        vectors = self.frames(head, self.backbone.classify(head), self.text)
        return clip_vector(_split(vectors, batch), self.motion(_split(maps, batch)))


def _split(x: Tensor, batch: int) -> Tensor:
    """[B T, ...] -> [B, T, ...]."""
    return x.reshape(batch, -1, *x.shape[1:])


def clip_vector(frames: Tensor, motion: Tensor) -> Tensor:
    """Frame vectors [B, T, D] and the motion residual [B, D] -> unit clip vectors [B, D]."""
    return F.normalize(frames.mean(1) + motion, dim=-1)
