from pathlib import Path

import msgspec
import pytest

from deploy.store import Store
from grounding.query_record import QueryRecord, Sensitivity
from streamer.errors import EntityNotFoundError
from tests.deploy.store.records import Clock, query, reopen

ID = "aaaaaaaaaaaa"


def change(store: Store, **fields: object) -> QueryRecord:
    return store.queries.replace(msgspec.structs.replace(store.queries.get(ID), **fields), "me")


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "a blue car"},
        {"negatives": ("a bus",)},
        {"cameras": ("yard",)},
        {"sensitivity": Sensitivity(threshold=0.5)},
    ],
)
def test_what_a_query_means_makes_a_version(
    store: Store, clock: Clock, fields: dict[str, object]
) -> None:
    first = store.queries.add(query(), "me")
    assert (first.version, first.effective_at) == (1, clock.now)
    clock.now += 10
    second = change(store, **fields)
    assert (second.version, second.effective_at) == (2, clock.now)
    assert store.queries.version(ID, 1) == msgspec.structs.replace(
        first, revision=0, created_at=0, updated_at=0
    )


def test_how_it_is_told_makes_none(store: Store, clock: Clock) -> None:
    store.queries.add(query(), "me")
    clock.now += 10
    changed = change(store, severity="critical", cooldown_seconds=60.0, labels={"a": "b"})
    assert (changed.version, changed.effective_at) == (1, 1000.0)
    assert changed.updated_at == clock.now


def test_the_version_is_the_stores_to_count(store: Store) -> None:
    assert store.queries.add(query(version=9, effective_at=3.0), "me").version == 1
    assert change(store, version=7, effective_at=5.0).version == 1
    assert store.queries.get(ID).effective_at == 1000.0


def test_armed_again_is_a_version_too(store: Store, clock: Clock) -> None:
    store.queries.add(query(), "me")
    assert change(store, wanted="paused").version == 1
    clock.now += 10
    again = change(store, wanted="armed")
    assert (again.version, again.effective_at) == (2, clock.now)


def test_versions_outlive_their_query(store: Store) -> None:
    store.queries.add(query(), "me")
    store.queries.remove(ID, "me")
    assert store.queries.version(ID, 1).text == "a red car"
    assert store.queries.add(query(text="a bus"), "me").version == 2
    assert store.queries.version(ID, 2).text == "a bus"
    with pytest.raises(EntityNotFoundError, match="no version 3"):
        store.queries.version(ID, 3)


def test_pending_until_armed(store: Store) -> None:
    stored = store.queries.add(query(), "me")
    assert store.queries.state(stored) == "pending"
    store.queries.arm(ID, 1, "lite")
    assert store.queries.state(stored) == "armed"
    changed = change(store, text="a blue car")
    assert store.queries.state(changed) == "pending"
    store.queries.arm(ID, 1, "other")  # late, for the version before
    assert store.queries.state(changed) == "pending"
    store.queries.arm(ID, 2, "lite")
    assert store.queries.state(changed) == "armed"


@pytest.mark.parametrize("wanted", ["paused", "draft"])
def test_what_is_not_wanted_armed_is_not(store: Store, wanted: str) -> None:
    stored = store.queries.add(query(wanted=wanted), "me")
    store.queries.arm(ID, 1, "lite")
    assert store.queries.state(stored) == wanted


def test_a_problem_keeps_it_pending_until_another_space_has_none(store: Store) -> None:
    stored = store.queries.add(query(), "me")
    assert store.queries.problem(ID) == ""
    store.queries.arm(ID, 1, "lite", "The text is too long.")
    assert store.queries.state(stored) == "pending"
    assert store.queries.problem(ID) == "The text is too long."
    store.queries.arm(ID, 1, "large")
    assert store.queries.state(stored) == "armed"
    assert store.queries.problem(ID) == ""


def test_a_problem_of_another_version_or_of_no_query(store: Store) -> None:
    store.queries.add(query(), "me")
    store.queries.arm(ID, 1, "lite", "The text is too long.")
    change(store, text="shorter")
    assert store.queries.problem(ID) == ""
    store.queries.remove(ID, "me")
    with pytest.raises(EntityNotFoundError):
        store.queries.problem(ID)


def test_features_are_published_anew_after_a_restart(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    stored = store.queries.add(query(), "me")
    store.queries.arm(ID, 1, "lite")
    store.close()
    again = reopen(tmp_path, clock)
    assert again.queries.get(ID) == stored
    assert again.queries.state(stored) == "pending"
    again.close()
