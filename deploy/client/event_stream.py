"""Server-sent events: from lines to events, and a stream that survives its connection."""

import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy.errors import ApiRefusedError, ServerUnreachableError

if TYPE_CHECKING:
    from deploy.client.api import ApiClient, Params

REMEMBERED = 10_000  # ids; a server repeats at most what it keeps


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """An event; `id` is the newest id the stream had given when it came."""

    id: str
    kind: str
    text: str


@dataclass(slots=True)
class EventReader:
    """Makes events of lines, as the HTML standard says; remembers where it was."""

    last_id: str = ""
    retry_seconds: float | None = None  # what the server asked for
    _id: str = ""  # becomes the last one when its event is whole
    _kind: str = ""
    _text: list[str] = field(default_factory=list)

    def read(self, lines: Iterable[str]) -> Iterator[ServerEvent | None]:
        """The events of a connection's lines; None for each sign of life that is no event.

        What a broken connection leaves half is dropped: it comes again after the last id.
        """
        self._id, self._kind, self._text = self.last_id, "", []
        for line in lines:
            if not line:
                yield self._finished()
            elif line.startswith(":"):
                yield None
            else:
                name, _, value = line.partition(":")
                self._take(name, value.removeprefix(" "))

    def _take(self, name: str, value: str) -> None:
        match name:
            case "data":
                self._text.append(value)
            case "event":
                self._kind = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_seconds = int(value) / 1000

    def _finished(self) -> ServerEvent | None:
        self.last_id = self._id
        kind, text = self._kind or "message", self._text
        self._kind, self._text = "", []
        return ServerEvent(self.last_id, kind, "\n".join(text)) if text else None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before connecting again: doubling, with jitter."""

    first_seconds: float = 0.5
    longest_seconds: float = 15.0
    wait: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def seconds(self, failures: int, asked: float | None) -> float:
        """The wait after so many failures in a row; at least half of what the server asked."""
        first = self.first_seconds if asked is None else asked
        whole = min(first * 2.0 ** min(failures - 1, 30), self.longest_seconds)
        return whole * (0.5 + self.jitter() / 2)


def follow(
    client: "ApiClient",
    path: str,
    params: "Params | None" = None,
    lost: Callable[[str], None] = lambda _: None,
    patience: Patience | None = None,
) -> Iterator[ServerEvent]:
    """Events for ever, each once; a lost connection is taken up again after the last event.

    `lost` is told why a connection was lost. Raises ServerUnreachableError only if not even the
    first connection comes about, and ApiRefusedError when the server no longer wants to answer.
    """
    patience = patience or Patience()
    reader, seen = EventReader(), _Seen()
    connected, failures = False, 0
    while True:
        headers = {"Last-Event-ID": reader.last_id} if reader.last_id else {}
        reason = f"{client.server} ended the stream"
        try:
            with client.lines(path, params, headers) as lines:
                connected = True
                for event in reader.read(lines):
                    failures = 0
                    if event is not None and seen.is_new(event.id):
                        yield event
        except ServerUnreachableError as error:
            if not connected:
                raise
            reason = str(error)
        except ApiRefusedError as error:
            if not connected or error.status < 500:
                raise
            reason = str(error)
        failures += 1
        if failures == 1:
            lost(reason)
        patience.wait(patience.seconds(failures, reader.retry_seconds))


class _Seen:
    """Ids that were told; the oldest are forgotten."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_new(self, event_id: str) -> bool:
        if not event_id:  # an event without an id cannot be known again
            return True
        if event_id in self._ids:
            return False
        self._ids[event_id] = None
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)
        return True
