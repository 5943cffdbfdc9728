import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.tensorrt.batches import bucket_of, bucket_sizes, pieces


@pytest.mark.parametrize(
    ("most", "sizes"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (32, (1, 2, 4, 8, 16, 32)),
        (24, (1, 2, 4, 8, 16, 24)),
    ],
)
def test_sizes_double_up_to_the_largest(most: int, sizes: tuple[int, ...]) -> None:
    assert bucket_sizes(most) == sizes


@given(st.integers(1, 200), st.data())
def test_a_batch_is_filled_up_by_less_than_itself(most: int, data) -> None:
    count = data.draw(st.integers(1, most))
    size = bucket_of(count, bucket_sizes(most))
    assert count <= size <= most
    assert size < 2 * count or size == 1


@given(st.integers(0, 300), st.integers(1, 40))
def test_pieces_are_all_of_it_in_order(count: int, most: int) -> None:
    found = list(pieces(count, most))
    assert [i for piece in found for i in range(count)[piece]] == list(range(count))
    assert all(0 < piece.stop - piece.start <= most for piece in found)
