"""Batches of clips as an engine takes them: sizes that graphs exist for, and larger ones cut."""

from collections.abc import Iterator


def bucket_sizes(max_batch: int) -> tuple[int, ...]:
    """The batch sizes a graph is captured for: powers of two, and the largest.

    >>> bucket_sizes(12)
    (1, 2, 4, 8, 12)
    """
    sizes = [1]
    while sizes[-1] * 2 < max_batch:
        sizes.append(sizes[-1] * 2)
    return tuple(sizes) if max_batch == 1 else (*sizes, max_batch)


def bucket_of(count: int, sizes: tuple[int, ...]) -> int:
    """The smallest size that holds so many clips."""
    return next(size for size in sizes if size >= count)


def pieces(count: int, max_batch: int) -> Iterator[slice]:
    """So many clips in runs of at most `max_batch`.

    >>> list(pieces(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    for first in range(0, count, max_batch):
        yield slice(first, min(first + max_batch, count))
