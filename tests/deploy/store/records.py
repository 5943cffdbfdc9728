"""Things to store, with what a test does not care about filled in."""

from pathlib import Path
from typing import Any

from deploy.store import Store, open_store
from deploy.vault import Vault
from grounding.alert import Alert
from grounding.alert_subscription import AlertSubscription
from grounding.query_record import QueryRecord
from grounding.silence import Silence
from streamer.camera_record import CameraRecord

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def reopen(folder: Path, clock: Clock) -> Store:
    return open_store(f"sqlite:///{folder / 'watchword.db'}", Vault.open(folder / "key"), clock)


def camera(camera_id: str = "yard", **fields: Any) -> CameraRecord:
    return CameraRecord(**({"camera_id": camera_id, "source": "rtsp://yard/1"} | fields))


def query(query_id: str = "aaaaaaaaaaaa", **fields: Any) -> QueryRecord:
    return QueryRecord(**({"query_id": query_id, "text": "a red car"} | fields))


def silence(silence_id: str = "quiet", **fields: Any) -> Silence:
    return Silence(**({"silence_id": silence_id, "starts_at": 900.0, "ends_at": 1100.0} | fields))


def subscription(subscription_id: str = "desk", **fields: Any) -> AlertSubscription:
    given = {"subscription_id": subscription_id, "url": "https://desk/hook", "secret": SECRET}
    return AlertSubscription(**(given | fields))


def alert(alert_id: str = "one", revision: int = 1, **fields: Any) -> Alert:
    given: dict[str, Any] = {
        "alert_id": alert_id,
        "revision": revision,
        "state": "opened" if revision == 1 else "updated",
        "query_id": "aaaaaaaaaaaa",
        "query": "a red car",
        "query_version": 1,
        "severity": "warning",
        "camera_id": "yard",
        "session": 1,
        "start": 990.0,
        "end": 996.0,
        "score": 0.75,
        "saliency": ((991.0, 0.5), (993.0, 0.75)),
        "at": 1000.0,
        "bundle": "lite",
    }
    return Alert(**(given | fields))


def opened(*alert_ids: str, **fields: Any) -> list[tuple[Alert, bytes]]:
    return [(alert(alert_id, **fields), f"tracked {alert_id}".encode()) for alert_id in alert_ids]
