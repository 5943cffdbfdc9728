from pathlib import Path

from deploy.store import Store
from streamer.camera_record import Credentials
from streamer.health import CameraHealth
from tests.deploy.store.records import Clock, camera, reopen

LIVE = CameraHealth("yard", "live", since=990.0)
OFFLINE = CameraHealth("yard", "offline", since=995.0, reason="timeout", message="No answer.")


def test_the_last_word_on_how_a_camera_fares(store: Store) -> None:
    store.cameras.add(camera(), "me")
    assert store.cameras.health("yard") is None
    store.cameras.note_health(LIVE)
    store.cameras.note_health(OFFLINE)
    assert store.cameras.health("yard") == OFFLINE


def test_a_removed_camera_fares_nohow(store: Store) -> None:
    store.cameras.add(camera(), "me")
    store.cameras.note_health(LIVE)
    store.cameras.remove("yard", "me")
    assert store.cameras.health("yard") is None
    store.cameras.note_health(OFFLINE)  # its streamer's last word
    store.cameras.add(camera(), "me")
    assert store.cameras.health("yard") is None


def test_how_it_fared_before_a_restart_is_not_how_it_fares(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    store.cameras.add(camera(), "me")
    store.cameras.note_health(LIVE)
    store.close()
    again = reopen(tmp_path, clock)
    assert again.cameras.get("yard").camera_id == "yard"
    assert again.cameras.health("yard") is None
    again.close()


def test_credentials_are_kept_as_they_came(store: Store) -> None:
    sealed = camera(credentials=Credentials(sealed="gAAA"))
    named = camera("gate", credentials=Credentials(environment="WATCHWORD_CAMERA_GATE"))
    store.cameras.add(sealed, "me")
    store.cameras.add(named, "me")
    assert store.cameras.get("yard").credentials == sealed.credentials
    assert store.cameras.get("gate").credentials == named.credentials
