"""A webhook's address: one reading of it, for the check and for the connection alike."""

from dataclasses import dataclass

import httpx

from streamer.address_policy import AddressPolicy, resolve
from streamer.errors import EntityInvalidError, SourceUnknownHostError

MAX_CHARACTERS = 2048
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where messages go. The path may hold a secret, so only `shown` is told."""

    scheme: bytes
    host: bytes  # a name in ASCII, or an address without brackets
    port: int
    authority: bytes  # what the Host header says
    target: bytes  # path and query

    @property
    def shown(self) -> str:
        """The host, as sentences name it."""
        return self.authority.decode("ascii")


def read_webhook(url: str) -> Webhook:
    """The parts of a webhook's address.

    Raises:
        EntityInvalidError: it is no http or https address, or holds what it should not.
    """
    if len(url) > MAX_CHARACTERS:
        raise EntityInvalidError(
            f"The url of a webhook has at most {MAX_CHARACTERS} characters, not {len(url)}."
        )
    try:
        parsed = httpx.URL(url)
        port = parsed.port
    except (httpx.InvalidURL, ValueError) as error:
        # Its text is not repeated: what cannot be taken apart cannot be rid of its secrets
        raise EntityInvalidError("The url is no address: write https://HOST/PATH.") from error
    if parsed.scheme not in _PORTS or not parsed.host:
        raise EntityInvalidError("The url leads to no web server: write https://HOST/PATH.")
    if parsed.userinfo:
        raise EntityInvalidError(
            "The url holds a user or a password: leave them out, messages are signed with the "
            "subscription's secret."
        )
    port = _PORTS[parsed.scheme] if port is None else port
    if not 0 < port < 65536:
        raise EntityInvalidError(f"The url names port {port}: use 1 to 65535.")
    return Webhook(
        scheme=parsed.raw_scheme,
        host=parsed.raw_host,
        port=port,
        authority=parsed.netloc,
        target=parsed.raw_path or b"/",
    )


def check_webhook(url: str, policy: AddressPolicy) -> None:
    """Let a webhook pass that messages could be sent to now.

    Raises:
        EntityInvalidError: it is no webhook, or its host does not resolve.
        AddressRefusedError: it leads where this server may not connect.
    """
    webhook = read_webhook(url)
    try:
        resolve(webhook.host.decode("ascii"), webhook.port, policy)
    except SourceUnknownHostError as error:
        raise EntityInvalidError(f"The url cannot be called. {error}") from error
