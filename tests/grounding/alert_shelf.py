"""A store of alerts in memory, and alerts to put there."""

import threading
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from grounding.alert import Alert, AlertState, alert_id
from grounding.stored_alert import AlertEvent, AlertFilter, Feedback, StoredAlert, Suppression
from streamer.errors import EntityNotFoundError
from tests.grounding.worlds import SESSION, T0


def alert(number: int = 0, revision: int = 1, state: AlertState = "opened", **fields) -> Alert:
    """The state of the alert of this number: they begin 10 s apart."""
    start = T0 + 10.0 * number
    values = {
        "alert_id": alert_id("q0", "yard", SESSION, number),
        "revision": revision,
        "state": state,
        "query_id": "q0",
        "query": "a car",
        "query_version": 1,
        "severity": "warning",
        "camera_id": "yard",
        "session": SESSION,
        "start": start,
        "end": start + 4.0,
        "score": 0.875,
        "saliency": ((start + 1.0, 0.5), (start + 3.0, 0.25)),
        "at": start + 6.0,
        "bundle": "colours",
    }
    return Alert(**(values | fields))


class AlertShelf:
    """An AlertStore that forgets everything with the process."""

    def __init__(self) -> None:
        self.events: list[AlertEvent] = []
        self.read_after: list[int] = []
        self.readable = threading.Event()
        self.readable.set()
        self.waiting = 0  # reads that wait for it
        self._newest = 0
        self.asked: AlertFilter | None = None
        self.fault: Exception | None = None
        self._alerts: dict[str, StoredAlert] = {}
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def write(self, *alerts: Alert, suppressed: Suppression | None = None) -> list[str]:
        """Take alerts in; the ids of their events."""
        with self._lock:
            for one in alerts:
                self._newest += 1
                event = AlertEvent(sequence=self._newest, alert=one, suppressed=suppressed)
                self.events.append(event)
                before = self._alerts.get(one.alert_id) or StoredAlert(
                    alert=one, sequence=self._newest, opened_at=one.at + 0.5, suppressed=suppressed
                )
                self._alerts[one.alert_id] = replace(before, alert=one, sequence=self._newest)
        for listener in self._listeners:
            listener()
        return [one.event_id for one in alerts]

    def forget(self, count: int) -> None:
        """Drop the oldest events, as a store does after its days."""
        with self._lock:
            del self.events[:count]

    def get(self, alert_id: str) -> StoredAlert:
        if alert_id not in self._alerts:
            raise EntityNotFoundError(f"There is no alert {alert_id}.")
        return self._alerts[alert_id]

    def page(self, wanted: AlertFilter, before: int, limit: int) -> Sequence[StoredAlert]:
        self.asked = wanted
        newest = sorted(self._alerts, key=self.opening, reverse=True)
        rows = [one for one in newest if not before or self.opening(one) < before]
        return [self._alerts[one] for one in rows[:limit]]

    def opening(self, alert_id: str) -> int:
        return next(e.sequence for e in self.events if e.alert.alert_id == alert_id)

    def history(self, alert_id: str) -> Sequence[AlertEvent]:
        return [event for event in self.events if event.alert.alert_id == alert_id]

    def acknowledge(self, alert_id: str, by: str) -> StoredAlert:
        found = self.get(alert_id)
        if found.acknowledged_at is None:
            found = replace(found, acknowledged_at=T0 + 60.0, acknowledged_by=by)
            self._alerts[alert_id] = found
        return found

    def give_feedback(self, alert_id: str, feedback: Feedback) -> StoredAlert:
        self._alerts[alert_id] = replace(self.get(alert_id), feedback=feedback)
        return self._alerts[alert_id]

    def suppress(self, alert_id: str, why: Suppression, by: str) -> None:
        self._alerts[alert_id] = replace(self.get(alert_id), suppressed=why, suppressed_by=by)

    def events_after(self, sequence: int, limit: int) -> Sequence[AlertEvent]:
        self.read_after.append(sequence)
        if self.fault is not None:
            raise self.fault
        self.waiting += not self.readable.is_set()
        self.readable.wait()
        with self._lock:
            return [event for event in self.events if event.sequence > sequence][:limit]

    def sequence_of(self, event_id: str) -> int | None:
        with self._lock:
            found = (e.sequence for e in self.events if e.alert.event_id == event_id)
            return next(found, None)

    def last_sequence(self) -> int:
        with self._lock:
            return self._newest
