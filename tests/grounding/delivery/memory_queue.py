"""A delivery queue in memory, as the store's one behaves."""

import threading
from collections.abc import Callable, Sequence

import msgspec

from grounding.stores import Delivery
from streamer.errors import EntityNotFoundError
from tests.grounding.delivery.messages import delivery


class MemoryQueue:
    """Rows by delivery id; the first of each subscription that waits may be claimed.

    `notes` tells what became of deliveries, in order.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.notes: list[tuple[str, int, str]] = []
        self.retries: list[float] = []  # when, by the order of `retry`
        self._clock = clock
        self._rows: dict[int, Delivery] = {}
        self._due: dict[int, float] = {}
        self._claimed: dict[int, float] = {}  # until
        self._changed = threading.Condition()

    def add(self, *deliveries: Delivery) -> None:
        with self._changed:
            for one in deliveries:
                self._rows[one.delivery_id] = one
                self._due[one.delivery_id] = one.first_at
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait(min(timeout, 0.02))

    def wait_for(self, count: int) -> list[tuple[str, int, str]]:
        """The notes, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.notes) >= count, timeout=60)
            return list(self.notes)

    def claim(self, limit: int, lease_seconds: float) -> Sequence[Delivery]:
        with self._changed:
            now = self._clock()
            heads: dict[str, Delivery] = {}
            for one in sorted(self._rows.values(), key=lambda row: row.delivery_id):
                heads.setdefault(one.subscription_id, one)
            free = [
                one
                for one in heads.values()
                if self._due[one.delivery_id] <= now
                and self._claimed.get(one.delivery_id, now) <= now
            ]
            for one in free[:limit]:
                self._claimed[one.delivery_id] = now + lease_seconds
            return free[:limit]

    def sent(self, delivery: Delivery) -> None:
        self._end("sent", delivery, "")

    def retry(self, delivery: Delivery, at: float, why: str) -> None:
        with self._changed:
            tried = msgspec.structs.replace(delivery, attempts=delivery.attempts + 1)
            self._rows[delivery.delivery_id] = tried
            self._due[delivery.delivery_id] = at
            self._claimed.pop(delivery.delivery_id)
            self.retries.append(at)
            self._note("retry", delivery.delivery_id, why)

    def give_up(self, delivery: Delivery, why: str) -> None:
        self._end("give_up", delivery, why)

    def disable(self, subscription_id: str, why: str) -> None:
        with self._changed:
            for one in list(self._rows.values()):
                if one.subscription_id == subscription_id:
                    del self._rows[one.delivery_id]
                    self._note("disable", one.delivery_id, why)

    def test(self, subscription_id: str) -> Delivery:
        if subscription_id == "unknown":
            raise EntityNotFoundError("There is no subscription 'unknown'.")
        row = delivery(delivery_id=0, subscription_id=subscription_id, state="test")
        with self._changed:
            self._rows[0] = row
        return row

    def _end(self, note: str, delivery: Delivery, why: str) -> None:
        with self._changed:
            if self._rows.pop(delivery.delivery_id, None) is None:
                raise EntityNotFoundError(f"There is no delivery {delivery.delivery_id}.")
            self._note(note, delivery.delivery_id, why)

    def _note(self, note: str, delivery_id: int, why: str) -> None:
        self.notes.append((note, delivery_id, why))
        self._changed.notify_all()
