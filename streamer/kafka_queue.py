"""Messages of live sources on their way to Kafka: each key bounded, its oldest making room."""

from collections import OrderedDict, deque
from typing import NamedTuple

from streamer.bus import Message


class QueueKey(NamedTuple):
    """Whose messages make room for each other."""

    topic: str
    key: str


class KeyQueue:
    """First in, first out by key; keys take turns. Guarded by its owner's lock."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[QueueKey, deque[Message]] = OrderedDict()

    def push(self, message: Message, capacity: int) -> int:
        """Adds a message; returns how many older ones of its key were dropped for it."""
        waiting = self._waiting.setdefault(QueueKey(message.topic, message.key), deque())
        dropped = 0
        while len(waiting) >= max(1, capacity):
            waiting.popleft()
            dropped += 1
        waiting.append(message)
        return dropped

    def pop(self) -> Message | None:
        """The oldest message of the key whose turn it is."""
        if not self._waiting:
            return None
        key, waiting = next(iter(self._waiting.items()))
        message = waiting.popleft()
        if waiting:
            self._waiting.move_to_end(key)
        else:
            del self._waiting[key]
        return message

    def drain(self) -> list[Message]:
        """Takes all that is left."""
        left = [message for waiting in self._waiting.values() for message in waiting]
        self._waiting.clear()
        return left

    def holds(self, topic: str) -> bool:
        """Whether anything of a topic waits."""
        return any(key.topic == topic for key in self._waiting)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))
