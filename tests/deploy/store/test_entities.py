"""What all kinds have in common, on cameras; then kind by kind against a model."""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deploy.store import Store
from deploy.store.outbox import OutboxRow
from streamer.camera_record import CameraRecord, unpack_camera
from streamer.errors import (
    EntityChangedError,
    EntityExistsError,
    EntityNotFoundError,
    EntityReadOnlyError,
)
from tests.deploy.store.records import Clock, camera, query, reopen, silence, subscription


def test_what_was_added_is_read_with_revision_and_times(store: Store, clock: Clock) -> None:
    stored = store.cameras.add(camera(labels={"site": "north"}), "me")
    assert stored == camera(
        labels={"site": "north"}, revision=1, created_at=clock.now, updated_at=clock.now
    )
    assert store.cameras.get("yard") == stored


def test_an_id_is_taken_once(store: Store) -> None:
    store.cameras.add(camera(), "me")
    with pytest.raises(EntityExistsError, match="camera 'yard' already"):
        store.cameras.add(camera(source="rtsp://elsewhere/1"), "me")
    assert store.cameras.get("yard").source == "rtsp://yard/1"
    assert len(store.outbox.pending(10)) == 1


def test_a_change_needs_the_revision_that_was_read(store: Store, clock: Clock) -> None:
    first = store.cameras.add(camera(), "me")
    clock.now += 5
    second = store.cameras.replace(msgspec.structs.replace(first, paused=True), "me")
    assert second.paused
    assert second.revision > first.revision
    assert (second.created_at, second.updated_at) == (1000.0, 1005.0)
    with pytest.raises(EntityChangedError, match="revision 2, not 1"):
        store.cameras.replace(first, "me")
    assert store.cameras.get("yard") == second


def test_what_is_not_there(store: Store) -> None:
    for call in (
        lambda: store.cameras.get("nowhere"),
        lambda: store.cameras.replace(camera("nowhere"), "me"),
        lambda: store.cameras.remove("nowhere", "me"),
    ):
        with pytest.raises(EntityNotFoundError, match="no camera 'nowhere'"):
            call()


def test_declared_ones_are_read_only(store: Store) -> None:
    store.declare([camera()], [])
    stored = store.cameras.get("yard")
    with pytest.raises(EntityReadOnlyError, match="configuration file"):
        store.cameras.replace(stored, "me")
    with pytest.raises(EntityReadOnlyError, match="configuration file"):
        store.cameras.remove("yard", "me")


def test_pages_go_by_id(store: Store) -> None:
    for camera_id in ("c", "a", "e", "b", "d"):
        store.cameras.add(camera(camera_id), "me")
    assert [one.camera_id for one in store.cameras.page("", 2)] == ["a", "b"]
    assert [one.camera_id for one in store.cameras.page("b", 2)] == ["c", "d"]
    assert [one.camera_id for one in store.cameras.page("d", 2)] == ["e"]
    assert store.cameras.page("e", 2) == []


def test_revisions_rise_over_all_kinds(store: Store) -> None:
    revisions = [
        store.cameras.add(camera(), "me").revision,
        store.queries.add(query(), "me").revision,
        store.silences.add(silence(), "me").revision,
        store.subscriptions.add(subscription(), "me").revision,
    ]
    store.cameras.remove("yard", "me")
    revisions.append(store.cameras.add(camera(), "me").revision)
    assert revisions == sorted(set(revisions))


def test_writers_in_many_threads_lose_nothing(store: Store) -> None:
    revisions: list[int] = []
    store.cameras.add(camera("shared", labels={"count": "0"}), "me")

    def write(name: str) -> None:
        for number in range(8):
            revisions.append(store.cameras.add(camera(f"{name}-{number}"), name).revision)
            count_up()

    def count_up() -> None:
        while True:
            read = store.cameras.get("shared")
            labels = {"count": str(int(read.labels["count"]) + 1)}
            try:
                stored = store.cameras.replace(msgspec.structs.replace(read, labels=labels), "me")
            except EntityChangedError:
                continue
            revisions.append(stored.revision)
            return

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.cameras.get("shared").labels == {"count": "32"}
    assert len(store.cameras.page("", 100)) == 33
    assert len(set(revisions)) == 64
    told = [row.message.headers[0][1] for row in store.outbox.pending(100)]
    assert [int(revision) for revision in told] == list(range(1, 66))


IDS = st.sampled_from(["a", "b", "c"])


class CamerasAgainstModel(RuleBasedStateMachine):
    """Cameras behave as a dict does, over restarts, and the outbox tells the same story."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = Clock()
        self.store = reopen(Path(self.folder.name), self.clock)
        self.model: dict[str, CameraRecord] = {}
        self.revision = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def remember(self, stored: CameraRecord) -> None:
        assert stored.revision > self.revision
        self.revision = stored.revision
        self.model[stored.camera_id] = stored

    @rule(camera_id=IDS, paused=st.booleans())
    def add(self, camera_id: str, paused: bool) -> None:
        new = camera(camera_id, paused=paused)
        if camera_id in self.model:
            with pytest.raises(EntityExistsError):
                self.store.cameras.add(new, "me")
        else:
            self.remember(self.store.cameras.add(new, "me"))

    @rule(camera_id=IDS, label=st.text(max_size=3), stale=st.booleans())
    def replace(self, camera_id: str, label: str, stale: bool) -> None:
        known = self.model.get(camera_id, camera(camera_id))
        new = msgspec.structs.replace(
            known, labels={"label": label}, revision=known.revision - stale
        )
        if camera_id not in self.model:
            expected: type[Exception] = EntityNotFoundError
        elif known.declared:
            expected = EntityReadOnlyError
        elif stale:
            expected = EntityChangedError
        else:
            self.remember(self.store.cameras.replace(new, "me"))
            return
        with pytest.raises(expected):
            self.store.cameras.replace(new, "me")

    @rule(camera_id=IDS)
    def remove(self, camera_id: str) -> None:
        known = self.model.get(camera_id)
        if known is None or known.declared:
            with pytest.raises((EntityNotFoundError, EntityReadOnlyError)):
                self.store.cameras.remove(camera_id, "me")
        else:
            self.store.cameras.remove(camera_id, "me")
            self.revision += 1
            del self.model[camera_id]

    @rule(listed=st.sets(IDS))
    def declare(self, listed: set[str]) -> None:
        self.store.declare([camera(camera_id) for camera_id in listed], [])
        self.model = {
            camera_id: known
            for camera_id, known in self.model.items()
            if camera_id not in listed and not known.declared
        }
        for camera_id in listed:
            stored = self.store.cameras.get(camera_id)
            assert stored.declared
            self.model[camera_id] = stored
        self.revision = max(
            [self.revision, *(int(row.message.headers[0][1]) for row in self.pending())]
        )

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = reopen(Path(self.folder.name), self.clock)

    def pending(self) -> list[OutboxRow]:
        return list(self.store.outbox.pending(10_000))

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        page = self.store.cameras.page("", 10)
        assert {one.camera_id: one for one in page} == self.model

    @invariant()
    def the_outbox_leads_to_the_same(self) -> None:
        told: dict[str, CameraRecord] = {}
        for row in self.pending():
            if row.message.value is None:
                del told[row.message.key]
            else:
                told[row.message.key] = unpack_camera(row.message.value)
        assert told == self.model


CamerasAgainstModel.TestCase.settings = settings(max_examples=10, stateful_step_count=15)
TestCamerasAgainstModel = CamerasAgainstModel.TestCase
