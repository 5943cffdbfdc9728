import pytest

from deploy.store import Store
from streamer.errors import EntityExistsError, EntityNotFoundError
from tests.deploy.store.records import silence


def test_silences_come_and_go(store: Store) -> None:
    stored = store.silences.add(silence(comment="painters", created_by="me"), "me")
    assert stored == silence(comment="painters", created_by="me", revision=1, created_at=1000.0)
    assert store.silences.get("quiet") == stored
    with pytest.raises(EntityExistsError):
        store.silences.add(silence(), "me")
    store.silences.remove("quiet", "me")
    with pytest.raises(EntityNotFoundError, match="no silence 'quiet'"):
        store.silences.get("quiet")


def test_pages_go_by_id(store: Store) -> None:
    for silence_id in ("b", "a", "c"):
        store.silences.add(silence(silence_id), "me")
    assert [one.silence_id for one in store.silences.page("a", 5)] == ["b", "c"]
