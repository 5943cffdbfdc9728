"""What the network knows of a batch before video and text meet."""

from dataclasses import dataclass

from torch import Tensor

TEXT, VIDEO = 0, 1  # rows of the modality embedding


@dataclass(frozen=True, slots=True)
class Inputs:
    """Projected features, with and without the modality embedding, and positions."""

    clips: Tensor  # [B, L, d] projected video: what local saliency compares
    video: Tensor  # [B, L, d] plus modality
    text: Tensor  # [B, N, d] projected text plus modality
    sentence: Tensor  # [B, 1, d] pooled
    position: Tensor  # [B, L, d]
    video_mask: Tensor  # [B, L]
    text_mask: Tensor  # [B, N]
    lengths: Tensor  # [B] clips

    def with_next_text(self, rows: Tensor) -> "Inputs":
        """The videos of `rows` (int64 [R]), each with the text of the next sample (cyclic)."""
        following = (rows + 1) % self.text.shape[0]
        return Inputs(
            clips=self.clips[rows],
            video=self.video[rows],
            text=self.text[following],
            sentence=self.sentence[following],
            position=self.position[rows],
            video_mask=self.video_mask[rows],
            text_mask=self.text_mask[following],
            lengths=self.lengths[rows],
        )
