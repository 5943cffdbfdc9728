"""One-dimensional non-maximum suppression (NumPy only)."""

import numpy as np
from numpy.typing import NDArray


def suppress(
    spans: NDArray[np.floating],
    scores: NDArray[np.floating],
    iou: float,
    limit: int | None = None,
) -> NDArray[np.intp]:
    """Indices of the spans that survive greedy suppression, best score first.

    `spans`: (start, end) [n, 2]; `scores`: [n]. A span goes when its IoU with a better one
    that stays is above `iou`; equal scores keep their order. Two empty spans never suppress one
    another. With `limit` the search ends once that many are kept; spans whose score equals the
    last one's are kept as well, as the official code does.

    >>> suppress(np.array([[0., 4.], [0., 5.], [8., 9.]]), np.array([.5, .9, .1]), 0.6).tolist()
    [1, 2]
    """
    order = np.argsort(-scores, kind="stable")
    start, end = spans[order, 0], spans[order, 1]
    length = end - start
    ranked = scores[order]
    alive = np.ones(len(order), dtype=np.bool_)
    kept: list[int] = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        if limit is not None and len(kept) >= limit and ranked[i] < ranked[kept[limit - 1]]:
            break
        kept.append(i)
        inner = np.minimum(end, end[i])
        inner -= np.maximum(start, start[i])
        np.maximum(inner, 0.0, out=inner)
        alive &= inner <= iou * (length + length[i] - inner)
    return order[kept]
