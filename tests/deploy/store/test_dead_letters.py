import pytest
from prometheus_client import REGISTRY

from deploy.store import Store
from deploy.store import dead_letters as module
from encoder.stored_dead_letter import DeadLetterFilter
from streamer.bus import QUERIES
from streamer.errors import EntityNotFoundError
from tests.deploy.store.records import Clock, dead_letter

ALL = DeadLetterFilter()


def offsets(store: Store, wanted: DeadLetterFilter = ALL) -> list[int]:
    return [letter.offset for letter in store.dead_letters.page(wanted, 0, 5000)]


def over_bound() -> float:
    labels = {"kind": "dead letter"}
    return REGISTRY.get_sample_value("watchword_store_over_bound_total", labels) or 0.0


def test_a_dead_letter_is_kept_whole(store: Store) -> None:
    letter = dead_letter()
    assert store.dead_letters.write([letter]) == 1
    stored = store.dead_letters.get(letter.letter_id)
    assert (stored.value, stored.headers) == (b"broken", (("trace", b"abc"),))
    assert (stored.arrived_at, stored.replayed_at) == (1000.0, None)
    assert (stored.error, stored.attempt) == ("EmbeddingRecordError", 2)
    (listed,) = store.dead_letters.page(ALL, 0, 9)
    assert (listed.letter_id, listed.sequence) == (letter.letter_id, stored.sequence)
    with pytest.raises(EntityNotFoundError, match="no dead letter 'none'"):
        store.dead_letters.get("none")


def test_one_that_comes_again_is_the_same(store: Store, clock: Clock) -> None:
    assert store.dead_letters.write([dead_letter(), dead_letter()]) == 1
    clock.now = 2000.0
    assert store.dead_letters.write([dead_letter(), dead_letter(8)]) == 1
    assert offsets(store) == [8, 7]
    assert store.dead_letters.get(dead_letter().letter_id).arrived_at == 1000.0


def test_nothing_is_known_from_no_value_too(store: Store) -> None:
    for value in (None, b""):
        letter = dead_letter(offset=1 if value is None else 2, value=value)
        store.dead_letters.write([letter])
        assert store.dead_letters.get(letter.letter_id).value == value


def test_a_replay_is_noted(store: Store, clock: Clock) -> None:
    letter = dead_letter()
    store.dead_letters.write([letter, dead_letter(8)])
    clock.now = 2000.0
    assert store.dead_letters.note_replay(letter.letter_id, "me").replayed_at == 2000.0
    assert offsets(store, DeadLetterFilter(replayed=True)) == [7]
    assert offsets(store, DeadLetterFilter(replayed=False)) == [8]
    assert store.audit.page(0, 9)[0].action == "replayed"
    with pytest.raises(EntityNotFoundError):
        store.dead_letters.note_replay("none", "me")


def test_they_are_found_by_topic(store: Store) -> None:
    store.dead_letters.write([dead_letter(1), dead_letter(2, topic=QUERIES.name)])
    assert offsets(store, DeadLetterFilter(topics=(QUERIES.name,))) == [2]


def test_the_newest_are_kept_and_the_others_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LETTERS", 5)
    before = over_bound()
    store.dead_letters.write([dead_letter(offset) for offset in range(4)])
    assert over_bound() == before
    store.dead_letters.write([dead_letter(offset) for offset in range(2, 9)])
    assert offsets(store) == [8, 7, 6, 5, 4]
    assert over_bound() == before + 4


def test_large_ones_take_the_room_of_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 3_000)
    store.dead_letters.write([dead_letter(offset) for offset in range(3)])
    store.dead_letters.write([dead_letter(3, b"x" * 2_000)])
    assert offsets(store) == [3, 2, 1, 0]
    store.dead_letters.write([dead_letter(4, b"x" * 2_000)])
    assert offsets(store) == [4]


def test_what_was_not_kept_takes_no_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 3_000)
    large = dead_letter(1, b"x" * (5 * 1024 * 1024))
    store.dead_letters.write([dead_letter(0), large])
    assert offsets(store) == [1, 0]
    stored = store.dead_letters.get(large.letter_id)
    assert (stored.kept, stored.value, stored.size) == (False, None, 5 * 1024 * 1024)


def test_old_ones_go_with_keep_days(store: Store, clock: Clock) -> None:
    store.dead_letters.write([dead_letter(1)])
    clock.now = 2000.0
    store.dead_letters.write([dead_letter(2)])
    assert store.prune(1500.0) == 1
    assert offsets(store) == [2]
