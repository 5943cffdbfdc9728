"""Alerts as they come, to many followers: read from the store once, rendered once.

A follower is a reader of `alerts/stream`. One task reads new events from the store and hands each,
as the bytes of a server-sent event, to every follower that wants it. A follower that resumes reads
what it missed from the store at its own pace, then joins without gap or repeat. One that lags more
than its queue holds is ended and counted: it resumes where it stopped.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from grounding.alert import Alert
from grounding.alert_follower import Follower
from grounding.metrics import ALERT_LATENCY, ALERT_ONSET, FOLLOWERS, FOLLOWERS_DROPPED
from grounding.record import pack_alert
from grounding.stored_alert import AlertEvent, AlertFilter
from grounding.stores import AlertStore

OPENING = b": watchword alerts\n\n"  # makes proxies pass the headers on before the first alert
KEEP_ALIVE = b": keep-alive\n\n"
CHANNEL = "sse"
_BURST = 16  # events handed out in one turn: each follower sends them in one write

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AlertStreamOptions:
    """How followers are served; `buffer` is how many events one may lag behind."""

    keep_alive_seconds: float = 15.0
    buffer: int = 256
    batch: int = 256  # events read from the store at once
    poll_seconds: float = 1.0  # the store is looked at so often even when nobody notifies
    linger_seconds: float = 5.0  # how long a follower that is ended may take for what was sent


class AlertStream:
    """Hands the store's new events to followers.

    Whoever builds it has the store call `notify` after commits, and calls `close` before the HTTP
    server is to stop: a server waits for its connections. Both may be called from any thread,
    everything else belongs to the event loop of the server.
    """

    def __init__(
        self,
        store: AlertStore,
        options: AlertStreamOptions | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.options = options or AlertStreamOptions()
        self._store = store
        self._clock = clock
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._followers: set[Follower] = set()
        self._live: set[Follower] = set()
        self._told = 0  # every event up to this sequence was handed to the live followers
        self._recent: deque[tuple[AlertEvent, bytes]] = deque()
        self._floor = 0  # all events after this one and up to `_told` are in `_recent`
        # What is remembered and what is handed out in one turn fit an empty queue together: it
        # does not fill up under a follower that merely had no turn
        self._remembered = self.options.buffer // 2
        self._burst = max(1, min(_BURST, self.options.buffer // 2))

    def notify(self) -> None:
        """Say that there are new events."""
        # When it is set already, the reader has yet to look: it will see these events too
        if not self._news.is_set():
            self._call(self._news.set)

    def close(self) -> None:
        """End all followers once they were told what is stored by now, and those who come later."""
        self._closed = True
        self._call(self._finish)

    async def follow(self, wanted: AlertFilter, last_event_id: str | None = None) -> Follower:
        """A follower of what comes after an event, or without one of what comes from now on.

        An event that is unknown (any more) stands for the oldest: everything kept is told.
        """
        self._loop = asyncio.get_running_loop()
        after = await asyncio.to_thread(self._position, last_event_id)
        return Follower(wanted, after, self.options.buffer)

    def _position(self, last_event_id: str | None) -> int:
        if last_event_id is None:
            return self._store.last_sequence()
        return self._store.sequence_of(last_event_id) or 0

    async def chunks(self, follower: Follower) -> AsyncGenerator[bytes, None]:
        """What is to be sent to the follower, until it ends; never empty."""
        self._enter(follower)
        try:
            yield OPENING
            while not (follower.ended or self._join(follower)):
                if chunk := await self._catch_up(follower):
                    yield chunk
            while chunk := await follower.take():
                yield chunk
        finally:
            self._leave(follower)

    def _enter(self, follower: Follower) -> None:
        self._followers.add(follower)
        FOLLOWERS.set(len(self._followers))
        if self._closed:
            follower.end()

    def _leave(self, follower: Follower) -> None:
        self._followers.discard(follower)
        self._live.discard(follower)
        FOLLOWERS.set(len(self._followers))
        if not self._live and self._reader is not None:
            self._reader.cancel()  # nobody listens: the store is left in peace
            self._reader = None

    async def _catch_up(self, follower: Follower) -> bytes:
        """The next batch the follower missed, read and rendered outside the event loop."""
        floor = self._floor
        after = follower.after

        def read() -> tuple[int, list[bytes]]:
            events = self._store.events_after(after, self.options.batch)
            # Nothing after it: then nothing up to the floor either, which was handed out before
            reached = events[-1].sequence if events else max(after, floor)
            return reached, [render(event.alert) for event in events if _told_to(follower, event)]

        follower.after, chunks = await asyncio.to_thread(read)
        return b"".join(chunks)

    def _join(self, follower: Follower) -> bool:
        """Add the follower to the live ones if it has caught up, but for what is remembered."""
        if self._reader is None or self._reader.done():
            self._start(follower.after)
        if follower.after < self._floor:
            return False
        for event, chunk in self._recent:
            if event.sequence > follower.after and follower.wants(event.alert):
                follower.put(chunk)
        self._live.add(follower)
        self._news.set()  # events may have come between its last look at the store and now
        return True

    def _start(self, after: int) -> None:
        self._told = self._floor = after
        self._recent.clear()
        self._news = asyncio.Event()
        self._reader = asyncio.get_running_loop().create_task(self._run(), name="alert-stream")
        self._reader.add_done_callback(self._note_end)

    def _note_end(self, reader: "asyncio.Task[None]") -> None:
        if not reader.cancelled() and (error := reader.exception()) is not None:
            # They resume by their last event, which starts a new reader
            _log.error("The alert stream broke off and ends its followers.", exc_info=error)
            self._end_all()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_alive())
            tasks.create_task(self._read())

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self.options.keep_alive_seconds)
            for follower in self._live:
                if follower.idle:
                    follower.put(KEEP_ALIVE)

    async def _read(self) -> None:
        while True:
            closing = self._closed  # looked at first: what was stored before is read now
            self._news.clear()
            while events := await asyncio.to_thread(
                self._store.events_after, self._told, self.options.batch
            ):
                await self._hand_out(events)
            if closing:
                self._end_all()
                return
            try:
                async with asyncio.timeout(self.options.poll_seconds):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _hand_out(self, events: Sequence[AlertEvent]) -> None:
        for number, event in enumerate(events, 1):
            self._told = event.sequence
            if event.suppressed is None:
                self._tell(event, render(event.alert))
            if number % self._burst == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _tell(self, event: AlertEvent, chunk: bytes) -> None:
        self._remember(event, chunk)
        wanting = [
            follower
            for follower in self._live
            if event.sequence > follower.after and follower.wants(event.alert)
        ]
        slow = [follower for follower in wanting if not follower.put(chunk)]
        for follower in slow:
            FOLLOWERS_DROPPED.inc()
            self._live.discard(follower)
            follower.end(at_once=True)
        if wanting and event.alert.state == "opened":
            now = self._clock()
            ALERT_LATENCY.labels(CHANNEL).observe(max(0.0, now - event.alert.at))
            ALERT_ONSET.labels(CHANNEL).observe(max(0.0, now - event.alert.start))

    def _remember(self, event: AlertEvent, chunk: bytes) -> None:
        self._recent.append((event, chunk))
        if len(self._recent) > self._remembered:
            self._floor = self._recent.popleft()[0].sequence

    def _finish(self) -> None:
        if self._reader is None or self._reader.done():
            self._end_all()
        else:
            self._news.set()

    def _end_all(self) -> None:
        for follower in tuple(self._followers):
            follower.end()

    def _call(self, what: Callable[[], None]) -> None:
        """Have the event loop do it; a loop that ended has no followers left."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(what)
            except RuntimeError:  # closed since
                return


def _told_to(follower: Follower, event: AlertEvent) -> bool:
    return event.suppressed is None and follower.wants(event.alert)


def render(alert: Alert) -> bytes:
    """The event as it goes over the wire; its JSON holds no line break."""
    return b"event: alert\nid: %b\ndata: %b\n\n" % (alert.event_id.encode(), pack_alert(alert))
