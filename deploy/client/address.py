"""Where a server is: its URL as typed."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from deploy.errors import UsageError
from streamer.address import redact


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server's URL without a slash at its end; `loopback` if it can only be this machine."""

    url: str
    loopback: bool

    def __str__(self) -> str:
        return self.url


def parse_server(text: str) -> ServerAddress:
    """The address as typed; a host and port alone mean http.

    Raises UsageError for anything that is no HTTP address, or one with a password in it.

    >>> parse_server("localhost:8080")
    ServerAddress(url='http://localhost:8080', loopback=True)
    """
    url = text.strip()
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--server {redact(text)!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UsageError(
            f"--server {redact(text)!r} is no address of a server: write http://HOST:PORT"
        )
    if "@" in parts.netloc:
        raise UsageError(
            f"--server {redact(text)!r} holds a name or password: servers take a token, "
            "given with --token-file or WATCHWORD_TOKEN"
        )
    return ServerAddress(url.rstrip("/"), _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
