"""How much a request may bring: a body that is too long is refused before it is read."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.http.problems import send_problem


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The longest body of a request."""

    max_body_bytes: int = 1024 * 1024


class BodyLimit:
    """ASGI middleware: 413 for a body over the limit, by its announced length or as it comes."""

    def __init__(self, app: ASGIApp, limits: HttpLimits) -> None:
        self._app = app
        self._most = limits.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, if its body is short enough."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._announced(scope) > self._most:
            await send_problem(scope, receive, send, self._refusal())
        else:
            await self._app(scope, self._counting(receive), send)

    def _announced(self, scope: Scope) -> int:
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        # The server has refused what is no number; longer ones than this are all too long
        return max((int(value[:20]) for value in lengths if value.isdigit()), default=0)

    def _counting(self, receive: Receive) -> Receive:
        """`receive`, raising 413 as soon as more than the limit has come."""
        come = 0

        async def counted() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > self._most:
                raise self._refusal()
            return message

        return counted

    def _refusal(self) -> HTTPException:
        # The rest of the body is not waited for
        return HTTPException(
            413,
            f"The body is longer than {self._most} bytes, the most this server reads "
            "(server.max_body_bytes).",
            {"Connection": "close"},
        )
