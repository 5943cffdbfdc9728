"""What the api part does about evidence: clips are kept as alerts close, and once after a start."""

import errno
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

import deploy.evidence
from deploy.errors import ConfigError, StoreError
from deploy.evidence import Evidence, EvidenceKeeper, open_evidence
from deploy.parts import PARTS
from deploy.settings import Settings
from grounding.alert import Alert
from grounding.alert_evidence import AlertEvidence
from streamer.errors import EvidenceStorageError
from streamer.evidence.config import ClipOptions
from streamer.evidence.local_shelf import LocalShelf
from streamer.evidence.remote_shelf import RemoteShelf
from streamer.evidence.shelf import open_shelf
from tests.grounding.alert_shelf import AlertShelf, alert
from tests.streamer.evidence.recording import config_of


class Clips:
    """Keeps what it is told that it may."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.asked: list[str] = []
        self.ready: set[str] = set()
        self.fault: Exception | None = None

    def keep(self, one: Alert) -> bool:
        self.asked.append(one.alert_id)
        if self.fault is not None:
            raise self.fault
        if one.alert_id not in self.ready:
            return False
        self.kept.append(one.alert_id)
        return True

    def prune(self, before: float) -> int:
        if self.fault is not None:
            raise self.fault
        return 0


@pytest.fixture
def clips() -> Clips:
    return Clips()


@pytest.fixture
def alerts() -> AlertShelf:
    return AlertShelf()


@pytest.fixture
def keeper(tmp_path, clips, alerts, monkeypatch) -> EvidenceKeeper:
    monkeypatch.setattr(deploy.evidence, "REGISTRY", CollectorRegistry())
    monkeypatch.setattr(deploy.evidence, "_LOOK_SECONDS", 0.01)
    evidence = Evidence(config_of(tmp_path), LocalShelf(tmp_path))
    return EvidenceKeeper(evidence, alerts, clips, clock=lambda: alert(0).at + 100.0)


def closed(number: int) -> Alert:
    return alert(number, 2, "closed")


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_clip_is_kept_when_its_alert_has_closed_and_it_is_whole(keeper, clips, alerts) -> None:
    keeper.begin()
    alerts.write(alert(0), alert(1), closed(1))
    keeper.look()
    assert clips.asked == [closed(1).alert_id]
    clips.ready = {closed(1).alert_id}
    keeper.look()
    keeper.look()
    assert clips.kept == [closed(1).alert_id]
    assert len(clips.asked) == 2


def test_alerts_that_closed_before_the_start_are_looked_through(keeper, clips, alerts) -> None:
    alerts.write(*(closed(number) for number in range(3)))
    clips.ready = {closed(number).alert_id for number in range(3)}
    keeper.begin()
    keeper.look()
    assert sorted(clips.kept) == sorted(clips.ready)
    assert alerts.asked.states == ("closed",)


def test_what_cannot_be_cut_any_more_is_given_up(keeper, clips, alerts) -> None:
    keeper.begin()
    alerts.write(replace(closed(0), at=closed(0).at - 2 * 86400))
    keeper.look()
    assert clips.asked == []


def test_a_storage_that_refuses_is_asked_again(keeper, clips, alerts) -> None:
    keeper.begin()
    alerts.write(closed(0))
    clips.fault = EvidenceStorageError("The disk is gone.")
    keeper.look()
    keeper.prune(0.0)
    clips.fault, clips.ready = None, {closed(0).alert_id}
    keeper.look()
    assert clips.kept == [closed(0).alert_id]


def test_a_store_that_does_not_answer_is_asked_again(keeper, clips, alerts) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=keeper.run, args=(stop,))
    alerts.fault = StoreError("The database is gone.")
    thread.start()
    wait_until(lambda: alerts.read_after)
    alerts.fault = None
    clips.ready = {closed(0).alert_id}
    alerts.write(closed(0))
    wait_until(lambda: clips.kept)
    stop.set()
    thread.join()


def test_a_full_temporary_folder_does_not_end_the_server(alerts, monkeypatch, caplog) -> None:
    def refuse(*_args: object, **_options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    # A store is read through temporary files
    url = "memory://full-temporary-folder"
    evidence = Evidence(config_of(Path(url)), open_shelf(url))
    monkeypatch.setattr(deploy.evidence, "REGISTRY", CollectorRegistry())
    clock = lambda: alert(0).at + 1000.0  # noqa: E731
    clips = AlertEvidence(evidence.shelf, ClipOptions(), evidence.config, clock)
    keeper = EvidenceKeeper(evidence, alerts, clips, clock)
    keeper.begin()
    alerts.write(closed(0))
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    keeper.look()
    assert "No space left on device" in caplog.text


def settings(folder: Path, **evidence: object) -> Settings:
    return Settings(data_folder=folder, storage={"evidence": evidence})


def test_in_one_process_it_lies_in_the_data_folder(tmp_path: Path) -> None:
    found = open_evidence(settings(tmp_path), PARTS)
    assert found is not None
    assert found.config.url == str(tmp_path / "evidence")
    assert found.config.open_folder == tmp_path / "evidence" / "_open"
    assert (found.config.keep_seconds, found.config.keep_bytes) == (86400.0, 20 * 10**9)
    assert isinstance(found.shelf, LocalShelf)


def test_it_can_be_off(tmp_path: Path) -> None:
    assert open_evidence(settings(tmp_path, enabled=False), PARTS) is None


@pytest.mark.parametrize("url", ["/srv/evidence", "evidence", "file:///srv/evidence"])
def test_parts_that_run_apart_cannot_have_a_folder(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"storage\.evidence\.url .* is a folder"):
        open_evidence(settings(tmp_path, url=url), ("streamer", "encoder"))
    found = open_evidence(settings(tmp_path, url=url), PARTS)
    assert found is not None
    assert Path(found.config.url).is_absolute()


def test_parts_that_run_apart_keep_nothing_without_a_store(tmp_path: Path, caplog) -> None:
    assert open_evidence(settings(tmp_path), ("streamer", "encoder")) is None
    assert "no evidence is kept" in caplog.text
    caplog.clear()
    assert open_evidence(settings(tmp_path), ("grounding",)) is None
    assert caplog.text == ""


def test_parts_that_run_apart_share_a_store(tmp_path: Path) -> None:
    found = open_evidence(settings(tmp_path, url="memory://evidence"), ("api",))
    assert found is not None
    assert isinstance(found.shelf, RemoteShelf)
    assert found.config.url == "memory://evidence"
    assert found.config.open_folder == tmp_path / "evidence-open"


def test_an_unknown_store_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"storage\.evidence\.url 'flop://there'"):
        open_evidence(settings(tmp_path, url="flop://there"), PARTS)


def test_clips_have_room_for_the_alert() -> None:
    with pytest.raises(ValueError, match="longest_clip_seconds"):
        Settings(storage={"evidence": {"before_seconds": 200, "longest_clip_seconds": 205}})
