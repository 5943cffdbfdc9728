"""One reader of the alert stream: what it wants, and what waits to be sent to it."""

import asyncio
from collections.abc import Callable

from grounding.alert import Alert
from grounding.stored_alert import AlertFilter


class Follower:
    """One follower's queue; used in the event loop only."""

    def __init__(self, wanted: AlertFilter, after: int, buffer: int) -> None:
        self.after = after  # the sequence up to which it was told everything
        self.on_end: Callable[[], object] = lambda: None
        self._queries = frozenset(wanted.query_ids)
        self._cameras = frozenset(wanted.camera_ids)
        self._states = frozenset(wanted.states)
        self._chunks: list[bytes] = []
        self._buffer = buffer
        self._waiting: asyncio.Future[None] | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._ended

    @property
    def idle(self) -> bool:
        """Whether it took all it was given."""
        return not self._chunks

    def wants(self, alert: Alert) -> bool:
        """Whether its filter lets the alert through."""
        return (
            (not self._queries or alert.query_id in self._queries)
            and (not self._cameras or alert.camera_id in self._cameras)
            and (not self._states or alert.state in self._states)
        )

    def put(self, chunk: bytes) -> bool:
        """Queue bytes; False if the queue is full."""
        if len(self._chunks) >= self._buffer:
            return False
        self._chunks.append(chunk)
        self._wake()
        return True

    async def take(self) -> bytes:
        """All that is queued, once there is something; empty at the end."""
        if not (self._chunks or self._ended):
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        taken, self._chunks = self._chunks, []
        return b"".join(taken)

    def end(self, *, at_once: bool = False) -> None:
        """Nothing more comes; `at_once`, what is queued does not either."""
        if at_once:
            self._chunks.clear()
        if not self._ended:
            self._ended = True
            self._wake()
            self.on_end()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
