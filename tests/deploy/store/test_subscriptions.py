from pathlib import Path

import msgspec
import pytest

from deploy.errors import StoreKeyError
from deploy.store import Store, open_store
from deploy.vault import Vault
from streamer.errors import EntityChangedError, EntityNotFoundError
from tests.deploy.store.records import SECRET, Clock, alert, opened, reopen, subscription, url_of


def test_the_secret_comes_back_but_lies_sealed(store: Store, tmp_path: Path, clock: Clock) -> None:
    stored = store.subscriptions.add(subscription(), "me")
    assert stored.secret == SECRET
    assert store.subscriptions.page("", 5) == [stored]
    store.alerts.write(opened("one"))
    store.deliveries.test("desk")
    store.close()
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes()
    again = reopen(tmp_path, clock)
    assert again.subscriptions.get("desk") == stored
    again.close()


def test_a_lost_key_is_noticed_at_the_start(store: Store, place: Path) -> None:
    store.close()
    other = Vault.open(place / "other")
    with pytest.raises(StoreKeyError, match=r"secrets\.key_file") as caught:
        open_store(url_of(place), other)
    assert str(place / "other") in str(caught.value)


def test_a_changed_one_keeps_its_secret(store: Store) -> None:
    stored = store.subscriptions.add(subscription(), "me")
    changed = msgspec.structs.replace(stored, url="https://elsewhere/hook")
    assert store.subscriptions.replace(changed, "me").secret == SECRET
    with pytest.raises(EntityChangedError):
        store.subscriptions.replace(changed, "me")


def test_a_removed_one_gets_nothing_more(store: Store) -> None:
    store.subscriptions.add(subscription(), "me")
    store.alerts.write([(alert(), b"")])
    (claimed,) = store.deliveries.claim(5, 60.0)
    store.subscriptions.remove("desk", "me")
    with pytest.raises(EntityNotFoundError, match="no subscription 'desk'"):
        store.subscriptions.get("desk")
    store.deliveries.retry(claimed, 1000.0, "no answer")
    store.deliveries.disable("desk", "gone")
    assert store.deliveries.claim(5, 60.0) == []
    store.subscriptions.add(subscription(), "me")
    assert store.deliveries.claim(5, 60.0) == []
