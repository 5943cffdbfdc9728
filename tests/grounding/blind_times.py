"""Blind periods at random, and the times that they cover."""

from collections import Counter
from collections.abc import Iterable

from hypothesis import strategies as st

from grounding.blind import BlindPeriod

CLIP = 2.0


def _period(
    camera: str, reason: str, queries: tuple[str, ...], first: int, clips: int
) -> BlindPeriod:
    return BlindPeriod(
        camera_id=camera,
        start=1000.0 + CLIP * first,
        end=1000.0 + CLIP * (first + clips),
        reason=reason,  # type: ignore[arg-type]
        queries=queries,
    )


periods = st.lists(
    st.builds(
        _period,
        st.sampled_from(["gate", "yard"]),
        st.sampled_from(["stream", "lag"]),
        st.sampled_from([("*",), ("a", "b"), ("b", "a"), ("a",)]),
        st.integers(0, 30),
        st.integers(1, 5),
    ),
    min_size=1,
    max_size=14,
)


def times(found: Iterable[BlindPeriod]) -> set[tuple[object, ...]]:
    """Every clip that a period covers, with all that tells periods apart."""
    covered: Counter[tuple[object, ...]] = Counter()
    for one in found:
        sort = one.camera_id, one.reason, frozenset(one.queries)
        first, last = round(one.start / CLIP), round(one.end / CLIP)
        covered.update((*sort, clip) for clip in range(first, last))
    return set(covered)
