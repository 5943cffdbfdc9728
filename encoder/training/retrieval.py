"""Text-to-image retrieval: the figure by which the towers are compared."""

from collections.abc import Sequence

import torch
from torch import Tensor


def recall_at(
    texts: Tensor, pictures: Tensor, owner: Tensor, ranks: Sequence[int] = (1, 5, 10, 50)
) -> dict[int, float]:
    """Share of texts whose own picture is among the `k` nearest, for each k of `ranks`.

    texts [N, D] and pictures [M, D] are unit vectors; owner [N] holds each text's picture row.
    A picture that scores exactly as the right one counts half against it: ties cannot win.
    """
    scores = texts @ pictures.T  # [N, M]
    own = scores.gather(1, owner[:, None])  # [N, 1]
    ahead = (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2  # [N]
    return {k: float((ahead < k).to(torch.float32).mean()) for k in ranks}
