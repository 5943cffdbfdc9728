"""Things to store, with what a test does not care about filled in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamer.dead_letter
from deploy.store import Store, open_store
from deploy.vault import Vault
from encoder.errors import EmbeddingRecordError
from encoder.stored_dead_letter import WholeDeadLetter, read_dead_letter
from grounding.alert import Alert
from grounding.alert_subscription import AlertSubscription
from grounding.blind import BlindPeriod
from grounding.query_record import QueryRecord
from grounding.silence import Silence
from streamer.bus import DEAD_LETTERS, EMBEDDINGS, Record
from streamer.camera_record import CameraRecord

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def url_of(folder: Path) -> str:
    """Where the store of a test lies: in its folder, or where the file `url` there says."""
    elsewhere = folder / "url"
    return elsewhere.read_text() if elsewhere.exists() else f"sqlite:///{folder / 'watchword.db'}"


def reopen(folder: Path, clock: Callable[[], float], *, shared: bool = False) -> Store:
    return open_store(url_of(folder), Vault.open(folder / "key"), clock, shared=shared)


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


def put_aside(offset: int = 7, value: bytes | None = b"broken", **fields: Any) -> Record:
    """A record of the dead letter topic: one of the embeddings topic that was no embedding."""
    given: dict[str, Any] = {
        "topic": EMBEDDINGS.name,
        "partition": 3,
        "offset": offset,
        "key": "yard",
        "value": value,
        "headers": (("trace", b"abc"),),
        "published": 990.0,
    }
    error = EmbeddingRecordError("no embedding")
    message = streamer.dead_letter.dead_letter(Record(**(given | fields)), 2, error)
    return Record(
        DEAD_LETTERS.name, 5, 11, message.key, message.value, message.headers, published=995.0
    )


def dead_letter(offset: int = 7, value: bytes | None = b"broken", **fields: Any) -> WholeDeadLetter:
    return read_dead_letter(put_aside(offset, value, **fields))


def blind(start: float = 900.0, end: float = 960.0, **fields: Any) -> BlindPeriod:
    given = {"camera_id": "yard", "start": start, "end": end, "reason": "stream"}
    return BlindPeriod(**(given | fields))
