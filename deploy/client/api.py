"""Questions to a Watchword server, and its refusals as sentences: the boundary to httpx."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from deploy import __version__
from deploy.client.address import parse_server
from deploy.client.refusal import refusal
from deploy.errors import ServerAnswerError, ServerUnreachableError, UsageError

PAGE = 200  # what a server gives at most
CONNECT_SECONDS = 5.0
# An answer may wait for a registration to be checked, or for a test message's receiver
ANSWER_SECONDS = 60.0
# Of a stream: servers send a comment every few seconds, so longer silence is a dead connection
SILENCE_SECONDS = 60.0

Params = Mapping[str, str | int | Sequence[str]]


class ApiClient:
    """Asks one server. Every fault is an ApiError that names the server and what to do.

    Use it as a context manager, or `close` it.
    """

    def __init__(self, server: str, token: str | None = None) -> None:
        self.server = parse_server(server)
        headers = {"User-Agent": f"watchword/{__version__}", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {_sendable(token)}"
        self._http = httpx.Client(
            base_url=self.server.url,
            headers=headers,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            # A proxy of the environment would be asked for our own loopback, and refuses it
            trust_env=not self.server.loopback,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def get(self, path: str, params: Params | None = None) -> dict[str, Any]:
        """What is at a path."""
        return self._ask("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Create something, or ask for something to be done."""
        return self._ask("POST", path, body=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change the fields that `body` names; null takes a field away."""
        return self._ask("PATCH", path, body=body)

    def delete(self, path: str) -> None:
        """Remove what is at a path."""
        self._ask("DELETE", path)

    def walk(self, path: str, params: Params | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a list; a page is asked for when the one before is used up."""
        asked: dict[str, str | int | Sequence[str]] = {"limit": PAGE, **(params or {})}
        while True:
            page = self.get(path, asked)
            try:
                yield from page["items"]
                cursor = page["next"]
            except (KeyError, TypeError) as error:
                raise ServerAnswerError(self._foreign(f"{path} is no list")) from error
            if cursor is None:
                return
            asked["cursor"] = cursor

    @contextmanager
    def lines(
        self, path: str, params: Params | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Iterator[str]]:
        """The lines of an answer that does not end, as they come.

        Raises ServerUnreachableError, here or from the lines, when the connection breaks.
        """
        wanted = {"Accept": "text/event-stream", **(headers or {})}
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        with (
            self._translated(),
            self._http.stream(
                "GET", path, params=params, headers=wanted, timeout=timeout
            ) as response,
        ):
            if not response.is_success:
                response.read()
                raise refusal(response, self.server)
            yield response.iter_lines()

    @contextmanager
    def file(self, path: str) -> Iterator[tuple[Mapping[str, str], Iterator[bytes]]]:
        """A file's headers and its bytes, piece by piece.

        Raises ServerUnreachableError, here or from the pieces, when the connection breaks.
        """
        with (
            self._translated(),
            self._http.stream("GET", path, headers={"Accept": "*/*"}) as response,
        ):
            if not response.is_success:
                response.read()
                raise refusal(response, self.server)
            yield response.headers, response.iter_bytes()

    def _ask(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        with self._translated():
            response = self._http.request(method, path, params=params, json=body)
        if not response.is_success:
            raise refusal(response, self.server)
        if not response.content:
            return {}
        try:
            answer = response.json()
        except ValueError as error:
            raise ServerAnswerError(self._foreign(f"{path} is no JSON")) from error
        if not isinstance(answer, dict):
            raise ServerAnswerError(self._foreign(f"{path} is no JSON object"))
        return answer

    def _foreign(self, what: str) -> str:
        return f"{self.server} does not answer as a Watchword server does ({what}): check --server"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise ServerUnreachableError(
                f"no server answers at {self.server}: start one with `watchword serve`, or name "
                "another with --server or WATCHWORD_SERVER"
            ) from error
        except httpx.TimeoutException as error:
            raise ServerUnreachableError(
                f"{self.server} did not answer in time: it is overloaded, or behind a firewall"
            ) from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise ServerUnreachableError(
                f"the connection to {self.server} broke: {error}"
            ) from error
        except (httpx.InvalidURL, httpx.DecodingError) as error:
            raise ServerAnswerError(self._foreign(str(error))) from error


def _sendable(token: str) -> str:
    """The token, if a header can carry it; what is wrong is said without showing it."""
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError("the token holds blanks or other letters no token has: copy it again")
    return token
