"""A camera's URL in its parts: what is kept, what is secret, and whom FFmpeg will dial."""

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin

from streamer.errors import SourceAddressError

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_URL = re.compile(
    _SCHEME.pattern + r"(?:(?P<user>[^/?#]*)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]*)"
    r"(?::(?P<port>\d{1,5}))?(?P<rest>[/?#].*)?"
)
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")  # a line break would end FFmpeg's request line
# What a password with a '/' or '?' in it leaves behind: "rtsp://admin:1/2@camera/"
_STRAY_USER_INFO = re.compile(r"(?:/[^?#]*|[?#].*)@")
# Kept as they are in user info: not every protocol of FFmpeg decodes what is encoded.
_PLAIN = "!$&()*+,;="


# "rtsp:/camera", "rtsp//a:b@camera", "/rtsp:/a:b@camera", "7:b@camera"
_BROKEN_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|[^/]*:.*@|.*(?://|:/).*@", re.DOTALL)


def is_broken_url(source: str) -> bool:
    """Whether a source that is no URL looks as if it was meant to be one."""
    return not is_url(source) and _BROKEN_URL.match(source) is not None


def is_url(source: str) -> bool:
    """Whether a source is a URL, that of a file too."""
    return _SCHEME.match(source) is not None


def is_network(source: str) -> bool:
    """Whether a source is a URL that leads to another machine."""
    return is_url(source) and not source.lower().startswith("file://")


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """A URL that this module and FFmpeg take apart in the same way.

    `user_info` is decoded, "user:password"; `rest` is path and query as they were written.
    """

    scheme: str
    host: str
    port: int | None
    rest: str
    user_info: str | None = None

    @classmethod
    def parse(cls, text: str) -> "CameraUrl":
        """The URL's parts.

        Raises:
            SourceAddressError: it is no URL, or one that parsers might disagree about. The
                sentence does not repeat it: a password may stand anywhere in a broken URL.
        """
        found = _URL.fullmatch(text)
        if not found or _NOT_IN_A_URL.search(text):
            raise SourceAddressError(
                "The source is no URL: write SCHEME://USER:PASSWORD@HOST:PORT/PATH, the host in "
                "letters, digits, '.' and '-' (or [IPv6]), and everything else that is special, "
                "in a password too, percent-encoded ('/' as %2F, '@' as %40, a space as %20)."
            )
        if found["user"] is None and _STRAY_USER_INFO.match(found["rest"] or ""):
            raise SourceAddressError(
                "The source has an '@' after its host: in a password write '/' as %2F, '?' as %3F "
                "and '#' as %23; in a path write '@' as %40."
            )
        port = int(found["port"]) if found["port"] else None
        if port is not None and not 0 < port < 65536:
            raise SourceAddressError(f"Port {port} does not exist: give one from 1 to 65535.")
        user_info = _decode(found["user"]) if found["user"] else None
        return cls(found[1].lower(), found["host"], port, found["rest"] or "", user_info)

    @property
    def place(self) -> tuple[str, str, int | None]:
        """Whom credentials belong to: scheme, host and port."""
        port = DEFAULT_PORTS.get(self.scheme) if self.port is None else self.port
        return self.scheme, self.host.lower(), port

    @property
    def public(self) -> str:
        """The URL without user info."""
        return f"{self.scheme}://{self._place_and_rest}"

    @property
    def opened(self) -> str:
        """The URL as FFmpeg opens it, user info included: never shown."""
        if not self.user_info:
            return self.public
        user, colon, password = self.user_info.partition(":")
        encoded = quote(user, safe=_PLAIN) + colon + quote(password, safe=_PLAIN + ":")
        return f"{self.scheme}://{encoded}@{self._place_and_rest}"

    def redirected(self, location: str) -> "CameraUrl":
        """Where a redirect leads; user info stays with whom it belongs to.

        Raises:
            SourceAddressError: it does not lead to a URL.
        """
        target = CameraUrl.parse(urljoin(self.public, location))
        if target.user_info is None and target.place == self.place:
            return replace(target, user_info=self.user_info)
        return target

    @property
    def _place_and_rest(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.host}{port}{self.rest}"


def _decode(user_info: str) -> str | None:
    user, colon, password = user_info.partition(":")
    try:
        user, password = unquote(user, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError as error:
        raise SourceAddressError(
            "The user info of the source is not UTF-8: percent-encode its letters as UTF-8."
        ) from error
    if ":" in user:
        raise SourceAddressError(
            "The user name in the source holds a ':', which no camera can tell from the one "
            "before the password."
        )
    return user + colon + password if user or password else None
