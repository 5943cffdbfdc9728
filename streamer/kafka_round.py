"""Messages that go to Kafka together, all by one producer: between two, no order would hold."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from streamer.bus import Message
from streamer.errors import BusError
from streamer.kafka_producer import Producer


@dataclass(slots=True, eq=False)
class Sending:
    """One message on its way, and how its last try went."""

    message: Message
    attempts: int = 0  # after which a producer was of no use any more
    is_stored: bool = False
    error: BusError | None = None  # None, too, where it was not tried


class Round:
    """One try of some messages, in order. Guarded by `changed`, which is told once all are through.

    After a message that the producer does not take, none is tried: it would come before that one.
    """

    def __init__(
        self, producer: Producer, sendings: Sequence[Sending], changed: threading.Condition
    ) -> None:
        self.producer = producer
        self.sendings = sendings
        self._changed = changed
        self._left = 0

    @property
    def is_settled(self) -> bool:
        """Whether it is known of all that were begun how they went; under `changed`."""
        return not self._left

    def begin(self) -> None:
        """Gives the messages to the producer; waits only while its buffer is full."""
        for sending in self.sendings:
            sending.is_stored, sending.error = False, None
        for sending in self.sendings:
            with self._changed:
                self._left += 1
            try:
                self.producer.send(sending.message, partial(self._note, sending))
            except BusError as error:
                self._note(sending, error)
                return

    def _note(self, sending: Sending, error: BusError | None) -> None:
        with self._changed:
            sending.is_stored, sending.error = error is None, error
            self._left -= 1
            if not self._left:
                self._changed.notify_all()


def to_send_again(sendings: Sequence[Sending]) -> list[Sending]:
    """Of each key everything from the first that was not stored, in order.

    What lies there already is repeated after it, so that the newest of a key comes last.
    """
    late: set[tuple[str, str]] = set()
    again = []
    for sending in sendings:
        key = (sending.message.topic, sending.message.key)
        if not sending.is_stored:
            late.add(key)
        if key in late:
            again.append(sending)
    return again
