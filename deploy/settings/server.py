"""Where the server listens, who may ask it, and how much of it."""

import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from deploy.settings.section import (
    Count,
    FilePath,
    PositiveCount,
    PositiveSeconds,
    Seconds,
    Section,
    Slug,
)

Scope = Literal["read", "write", "metrics"]

SCOPES: tuple[Scope, ...] = ("read", "write", "metrics")
DEFAULT_TOKEN = "default"  # noqa: S105 - its name, not its value
# Guessing one takes for ever even where nothing counts the guesses
SHORTEST_TOKEN = 16
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+(%\w+)?\]?")


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("should be an address of this machine, as 127.0.0.1, or its host name")
    return value.strip("[]")


def checked_token(token: SecretStr) -> SecretStr:
    """The token; ValueError if it could be guessed, or could not stand in a header."""
    text = token.get_secret_value()
    if len(text) < SHORTEST_TOKEN:
        raise ValueError(
            f"has {len(text)} characters: a token has at least {SHORTEST_TOKEN}, "
            "make one with `openssl rand -hex 32`"
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("holds a blank or a letter that cannot stand in an HTTP header")
    return token


class TokenSettings(Section):
    """Who holds `token` may do what its scopes say."""

    name: Slug  # the audit names it
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    token: SecretStr
    token_file: FilePath | None = None  # where `token` was read from

    @field_validator("token")
    @classmethod
    def _checked_token(cls, token: SecretStr) -> SecretStr:
        return checked_token(token)


class ServerSettings(Section):
    """The HTTP server."""

    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    port: Annotated[Count, Field(le=65535)] = 8080  # 0: a free one
    token: SecretStr | None = None  # one token with every scope
    token_file: FilePath | None = None  # where `token` was read from
    tokens: tuple[TokenSettings, ...] = ()
    drain_seconds: Seconds = 10.0
    max_body_bytes: PositiveCount = 1024 * 1024
    keep_alive_seconds: PositiveSeconds = 15.0
    follower_buffer: PositiveCount = 256

    @field_validator("token")
    @classmethod
    def _checked_token(cls, token: SecretStr | None) -> SecretStr | None:
        return None if token is None else checked_token(token)

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        names = [token.name for token in self.all_tokens]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two tokens are named {sorted(repeated)[0]!r}: name each for its use")
        if not self.on_loopback and not self.all_tokens:
            raise ValueError(
                f"refuses to listen on {self.host} without a token: set server.token_file "
                "(or WATCHWORD__SERVER__TOKEN_FILE), or keep host at 127.0.0.1"
            )
        return self

    @property
    def all_tokens(self) -> tuple[TokenSettings, ...]:
        """The tokens, and `token` as the one named "default" with every scope."""
        if self.token is None:
            return self.tokens
        alone = TokenSettings(name=DEFAULT_TOKEN, scopes=SCOPES, token=self.token)
        return (alone, *self.tokens)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # another host name: wherever it leads
            return False
