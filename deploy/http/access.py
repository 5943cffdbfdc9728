"""Who may ask what: checked before anything else is looked at."""

import hashlib
import hmac
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Literal

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.http.problems import send_problem
from streamer.caller import note_caller

TokenScope = Literal["read", "write", "metrics"]

LOCAL = "local"  # who asks where no token is needed
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token, known by the SHA-256 of its text; `name` is who the audit says asked."""

    name: str
    scopes: frozenset[TokenScope]
    sha256: bytes

    @classmethod
    def of(cls, name: str, scopes: frozenset[TokenScope], text: str) -> "Token":
        """The token of a text, which is not kept."""
        return cls(name, scopes, hashlib.sha256(text.encode()).digest())

    def may(self, scope: TokenScope) -> bool:
        """Whether it may be used so; who may write may read."""
        return scope in self.scopes or (scope == "read" and "write" in self.scopes)


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """Without tokens, only this machine is answered; the server then listens on loopback only."""

    tokens: tuple[Token, ...] = ()


class Access:
    """ASGI middleware that refuses whoever may not ask, and notes who does."""

    def __init__(self, app: ASGIApp, options: AccessOptions) -> None:
        self._app = app
        self._tokens = options.tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401 or 403."""
        if scope["type"] != "http" or scope["path"].startswith("/healthz/"):
            await self._app(scope, receive, send)
            return
        try:
            name = self._admit(scope)
        except HTTPException as refusal:
            await send_problem(scope, receive, send, refusal)
            return
        note_caller(scope, name)
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> str:
        """Who asks; raises HTTPException."""
        headers = Headers(scope=scope)
        if self._tokens:
            return _token(headers, self._tokens, _wanted(scope)).name
        _check_host(headers)
        _check_forwarding(headers)
        if scope["method"] not in _READING:
            _check_origin(headers)
        return LOCAL


def _wanted(scope: Scope) -> TokenScope:
    if scope["path"] == "/metrics":
        return "metrics"
    return "read" if scope["method"] in _READING else "write"


def _token(headers: Headers, tokens: tuple[Token, ...], wanted: TokenScope) -> Token:
    kind, _, text = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not text.strip():
        raise HTTPException(
            401,
            "This server wants a token: send the header 'Authorization: Bearer TOKEN'.",
            {"WWW-Authenticate": 'Bearer realm="watchword"'},
        )
    digest = hashlib.sha256(text.strip().encode()).digest()
    # All are compared, each in constant time: how long it takes says nothing about any of them
    found = [token for token in tokens if hmac.compare_digest(token.sha256, digest)]
    if not found:
        raise HTTPException(
            401,
            "The token is not one this server knows.",
            {"WWW-Authenticate": 'Bearer realm="watchword", error="invalid_token"'},
        )
    if not found[0].may(wanted):
        raise HTTPException(
            403,
            f"The token '{found[0].name}' has no scope '{wanted}', which this request needs.",
            {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{wanted}"'},
        )
    return found[0]


def _check_host(headers: Headers) -> None:
    """DNS rebinding: a foreign page may reach loopback, but only under its own host name."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_local(hosts[0]):
        raise HTTPException(
            403,
            "Without a token this server answers only as localhost, 127.0.0.1 or [::1]: use one "
            "of these, or set server.token_file.",
        )


def _check_forwarding(headers: Headers) -> None:
    forwarding = [
        name for name in headers if name in ("forwarded", "x-real-ip", "via")
        or name.startswith("x-forwarded-")
    ]  # fmt: skip
    if forwarding:
        raise HTTPException(
            403,
            f"The request was forwarded ({forwarding[0]}): behind a proxy this server needs a "
            "token, set server.token_file.",
        )


def _check_origin(headers: Headers) -> None:
    """A page of another origin may send writes here, but not hide where they come from."""
    host = headers["host"].lower()
    for origin in headers.getlist("origin"):
        if origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise HTTPException(
                403, "Pages of other origins may not change anything here without a token."
            )


def is_local(host: str) -> bool:
    """Whether a Host header, with a port or without, can only mean this machine.

    >>> is_local("[::1]:8080")
    True
    >>> is_local("localhost.example.org")
    False
    """
    name, port = _split_port(host.strip().lower())
    if port is None:
        return False
    if name == "localhost":
        return True
    try:
        if name.startswith("[") and name.endswith("]"):
            return IPv6Address(name[1:-1]) == IPv6Address("::1")
        return ip_address(name) == ip_address("127.0.0.1")
    except ValueError:
        return False


def _split_port(host: str) -> tuple[str, str | None]:
    """Name and port ("" without one); None for a port that is none."""
    end = host.rfind("]") + 1
    name, colon, port = host[end:].partition(":")
    valid = (not colon and not port) or (
        port.isascii() and port.isdigit() and int(port[:6]) < 65536
    )
    return host[:end] + name, port if valid else None
