"""Cameras and queries of the configuration file reach the store, and go with the file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.declared import declare
from deploy.errors import ConfigError
from deploy.settings import Settings, load_settings
from deploy.store import Store, open_store
from deploy.vault import Vault
from streamer.address_policy import AddressPolicy
from streamer.errors import EntityReadOnlyError
from streamer.registration import CameraRegistration


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.open(tmp_path / "key")


@pytest.fixture
def store(tmp_path: Path, vault: Vault) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", vault)
    yield store
    store.close()


@pytest.fixture
def registration(vault: Vault) -> CameraRegistration:
    return CameraRegistration((), AddressPolicy(loopback=True, private=True), vault.seal)


def settings(folder: Path, **sections: object) -> Settings:
    path = folder / "serve.yml"
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    return load_settings(path, {})


def test_what_is_listed_is_there_and_read_only(store, registration, vault, tmp_path):
    source = "rtsp://guard:hunter2secret@127.0.0.1/live"
    cameras = {"list": [{"id": "yard", "source": source, "labels": {"floor": "ground"}}]}
    queries = {"list": [{"id": "fire", "text": "fire and smoke", "severity": "critical"}]}
    declare(settings(tmp_path, cameras=cameras, queries=queries), store, registration)
    camera = store.cameras.get("yard")
    assert (camera.source, camera.declared) == ("rtsp://127.0.0.1/live", True)
    assert camera.credentials is not None
    assert vault.unseal(camera.credentials.sealed or "") == "guard:hunter2secret"
    assert store.queries.get("fire").severity == "critical"
    with pytest.raises(EntityReadOnlyError):
        store.cameras.remove("yard", "test")

    declare(settings(tmp_path), store, registration)
    assert store.cameras.page("", 10) == []
    assert store.queries.page("", 10) == []


def test_a_source_that_cannot_be_is_said_with_its_camera(store, registration, tmp_path):
    cameras = {"list": [{"id": "yard", "source": "gopher://yard"}]}
    with pytest.raises(ConfigError, match=r"cameras\.list: yard: .*gopher"):
        declare(settings(tmp_path, cameras=cameras), store, registration)
