"""How much a request may bring: a body that is too long is refused, never kept."""

import asyncio
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.http.problems import send_problem

# A connection closed with bytes unread is reset, and the client sees no answer (RFC 9112, 9.6): so
# what a slip of a client sends is thrown away first, what only malice or a film would is not
DISCARDED_LIMITS = 16
DISCARD_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The longest body of a request."""

    max_body_bytes: int = 1024 * 1024


class BodyLimit:
    """ASGI middleware: 413 for a body over the limit, by its announced length or as it comes.

    Up to 16 times the limit is read and thrown away before the answer, so that the client gets it.
    """

    def __init__(self, app: ASGIApp, limits: HttpLimits) -> None:
        self._app = app
        self._most = limits.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, if its body is short enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif (announced := self._announced(scope)) > self._most:
            if announced <= DISCARDED_LIMITS * self._most and not self._asks_first(scope):
                await self._discard(receive, announced)
            await send_problem(scope, receive, send, self._refusal())
        else:
            await self._app(scope, self._counting(receive), send)

    def _announced(self, scope: Scope) -> int:
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        # The server has refused what is no number; longer ones than this are all too long
        return max((int(value[:20]) for value in lengths if value.isdigit()), default=0)

    @staticmethod
    def _asks_first(scope: Scope) -> bool:
        """Whether the client sends its body only once it is told to (Expect: 100-continue)."""
        return any(name == b"expect" for name, _ in scope["headers"])

    @staticmethod
    async def _discard(receive: Receive, most: int) -> None:
        """Until the body has ended, `most` bytes or some seconds have passed."""
        try:
            async with asyncio.timeout(DISCARD_SECONDS):
                while most > 0:
                    message = await receive()
                    most -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            return

    def _counting(self, receive: Receive) -> Receive:
        """`receive`, raising 413 as soon as more than the limit has come."""
        come = 0

        async def counted() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > self._most:
                if message.get("more_body"):
                    await self._discard(receive, (DISCARDED_LIMITS - 1) * self._most)
                raise self._refusal()
            return message

        return counted

    def _refusal(self) -> HTTPException:
        return HTTPException(
            413,
            f"The body is longer than {self._most} bytes, the most this server reads "
            "(server.max_body_bytes).",
            {"Connection": "close"},
        )
