import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import EntityInvalidError
from streamer.paging import cut_page, pack_cursor, unpack_cursor, unpack_sequence

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)


@given(PRINTABLE)
def test_a_cursor_comes_back_as_it_was(after: str) -> None:
    cursor = pack_cursor(after)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert unpack_cursor(cursor) == after


@given(st.text(st.characters()))
def test_any_other_cursor_is_refused(cursor: str) -> None:
    try:
        after = unpack_cursor(cursor)
    except EntityInvalidError:
        return
    assert pack_cursor(after) == cursor


@pytest.mark.parametrize("cursor", ["eWFyZA==", "eWFyZB", "AA", "!", "\ud800", "eQ\n", "é"])
def test_a_cursor_is_taken_unchanged(cursor: str) -> None:
    with pytest.raises(EntityInvalidError, match="none that this server gave"):
        unpack_cursor(cursor)


def test_no_cursor_is_the_first_page() -> None:
    assert unpack_cursor(None) == ""


@given(st.lists(PRINTABLE, unique=True, max_size=20), st.integers(1, 5))
def test_pages_together_are_all(ids: list[str], limit: int) -> None:
    ids.sort()
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(len(ids) + 1):
        after = unpack_cursor(cursor)
        rows = [one for one in ids if one > after][: limit + 1]
        page, cursor = cut_page(rows, limit, str)
        seen += page
        if cursor is None:
            break
    assert (seen, cursor) == (ids, None)


def test_a_sequence_is_taken_from_its_own_list_only() -> None:
    assert unpack_sequence(None) == 0
    assert unpack_sequence(pack_cursor("42")) == 42
    for foreign in ("yard", "-1", "4.2", "²", "9" * 19):
        with pytest.raises(EntityInvalidError, match="another list"):
            unpack_sequence(pack_cursor(foreign))
