"""Registering a camera: what may be a source, where its secret goes, and how it is opened again."""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from streamer.address import PROTOCOLS, redact
from streamer.address_policy import AddressPolicy, resolve
from streamer.camera_record import CameraRecord, Credentials
from streamer.camera_url import CameraUrl, is_broken_url, is_network, is_url
from streamer.errors import (
    EntityInvalidError,
    SourceAccessError,
    SourceAddressError,
    SourceUnknownHostError,
)
from streamer.source_file import FilePermit

ENVIRONMENT_NAME = re.compile(r"WATCHWORD_CAMERA_[A-Z0-9_]+")
NETWORK_SCHEMES = tuple(scheme for scheme in PROTOCOLS if scheme not in ("file", "device"))


@dataclass(frozen=True, slots=True)
class CameraRegistration:
    """What may be registered here; `seal` None: there is no key to keep user info with."""

    file_roots: tuple[Path, ...]
    policy: AddressPolicy
    seal: Callable[[str], str] | None = None

    def prepare(
        self, source: str, credentials_environment: str | None = None, *, declared: bool = False
    ) -> tuple[str, Credentials | None]:
        """The source as it is stored and shown to whoever may read it, and where its secret is.

        User info is taken out of a URL and sealed. A host that does not resolve, or a file that
        is not there, is accepted: a camera may be off. `declared` cameras stand in the
        configuration file, which may name devices, and files anywhere.

        Raises:
            EntityInvalidError: the fields cannot be meant together.
            SourceError: what the source names cannot be a source; AddressRefusedError where it
                leads out of what this server may reach.
        """
        source = source.strip()
        if not source:
            raise EntityInvalidError("'source' is empty: give a URL or the path of a file.")
        if is_network(source):
            return self._prepare_url(CameraUrl.parse(source), credentials_environment)
        if credentials_environment is not None:
            raise EntityInvalidError(
                "'credentials_environment' is for network cameras: a file or device has none."
            )
        path = source[len("file://") :] if is_url(source) else source
        if is_broken_url(path) and not os.path.exists(path):
            raise SourceAddressError(  # not repeated: it may hold a password
                "The source is neither a URL nor a file: write SCHEME://HOST/PATH, or the path of "
                "a file."
            )
        return FilePermit(None if declared else self.file_roots).check(path), None

    def prepare_sub(self, sub_source: str, source: str) -> str:
        """A second URL of a camera as it is stored; `source` is the first, as it was given.

        It has no user info of its own: at the host and port of the first it goes with the first's.

        Raises:
            EntityInvalidError: the two cannot be meant together.
            SourceError: as `prepare`.
        """
        sub_source = sub_source.strip()
        if not (is_network(sub_source) and is_network(source.strip())):
            raise EntityInvalidError(
                "'sub_source' is for network cameras: give a URL to both, or leave it out."
            )
        url, first = CameraUrl.parse(sub_source), CameraUrl.parse(source.strip())
        if url.user_info is not None and (url.place, url.user_info) != (
            first.place,
            first.user_info,
        ):
            raise EntityInvalidError(
                "'sub_source' holds a user of its own: it goes with the user of 'source', at the "
                "same host and port, so leave it out."
            )
        return self._prepare_place(url)

    def _prepare_url(
        self, url: CameraUrl, environment: str | None
    ) -> tuple[str, Credentials | None]:
        credentials = self._credentials(url, environment)
        return self._prepare_place(url), credentials

    def _prepare_place(self, url: CameraUrl) -> str:
        if url.scheme not in NETWORK_SCHEMES:
            raise SourceAddressError(
                f"'{url.scheme}://' is no source Watchword reads: use "
                f"{', '.join(NETWORK_SCHEMES)}, or a file."
            )
        if "***" in url.public:
            raise EntityInvalidError(
                "'source' holds '***', which stands for a secret that is not shown: give the "
                "whole URL."
            )
        with suppress(SourceUnknownHostError):  # checked again at every connection
            check_host(url, self.policy)
        return url.public

    def _credentials(self, url: CameraUrl, environment: str | None) -> Credentials | None:
        if url.user_info is None:
            return None if environment is None else _named(environment)
        if url.scheme == "udp":
            raise EntityInvalidError("'source': udp knows no user and password, leave them out.")
        if environment is not None:
            raise EntityInvalidError(
                "'source' holds a user and 'credentials_environment' names one: give one of both."
            )
        if self.seal is None:
            raise EntityInvalidError(
                "'source' holds a user and this server has no key to keep it with: set "
                "secrets.key_file, or 'credentials_environment' and a source without a user."
            )
        return Credentials(sealed=self.seal(url.user_info))


def shown_source(record: CameraRecord) -> str:
    """The source without secrets: a token may stand among the parameters of a URL."""
    return redact(record.source)


def keeps_credentials(former: str, source: str) -> bool:
    """Whether credentials given for a former source may go with this one: same scheme, host, port.

    Anything else would hand a password to whoever names another host.
    """
    if not (is_network(former) and is_network(source)):
        return False
    return CameraUrl.parse(former).place == CameraUrl.parse(source).place


def looked_at(record: CameraRecord) -> CameraRecord:
    """The record with the source whose pictures are looked at: the second, if there is one.

    The credentials of the first go with it at the same host and port, and nowhere else.
    """
    if record.sub_source is None:
        return record
    goes_along = keeps_credentials(record.source, record.sub_source)
    credentials = record.credentials if goes_along else None
    return msgspec.structs.replace(record, source=record.sub_source, credentials=credentials)


def opened_source(
    record: CameraRecord, unseal: Callable[[str], str], environ: Mapping[str, str]
) -> str:
    """The source as FFmpeg opens it, user info included: never to be shown.

    Raises:
        SourceAccessError: the credentials are not to be had.
        SourceAddressError: the source is no URL.
    """
    if record.credentials is None:
        return record.source
    url = CameraUrl.parse(record.source)
    user_info = user_info_of(record.credentials, unseal, environ)
    return CameraUrl(url.scheme, url.host, url.port, url.rest, user_info).opened


def user_info_of(
    credentials: Credentials, unseal: Callable[[str], str], environ: Mapping[str, str]
) -> str:
    """`user:password` of a camera: never to be shown.

    Raises:
        SourceAccessError: it is not to be had.
    """
    if credentials.sealed is not None:
        return unseal(credentials.sealed)
    name = credentials.environment or ""
    if not ENVIRONMENT_NAME.fullmatch(name):
        raise SourceAccessError(
            f"The camera's credentials are said to be in '{name}': only variables "
            "WATCHWORD_CAMERA_... are read."
        )
    if name in environ:
        return environ[name]
    if (path := environ.get(f"{name}_FILE")) is None:
        raise SourceAccessError(
            f"The camera's credentials are to be in {name}, or in a file named by {name}_FILE: "
            "neither is set in the streamer's environment."
        )
    try:
        return Path(path).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SourceAccessError(
            f"{name}_FILE names '{path}', which cannot be read ({why}): check the path and its "
            "permissions."
        ) from error


def check_host(url: CameraUrl, policy: AddressPolicy) -> None:
    """Let a URL's host pass if the policy permits all its addresses.

    Raises:
        AddressRefusedError: it does not.
        SourceAddressError: the URL names no host.
        SourceUnknownHostError: the host does not resolve.
    """
    if url.scheme == "udp":  # it listens, and connects nowhere
        return
    if not url.host:
        raise SourceAddressError(f"The source names no host: write {url.scheme}://HOST/PATH.")
    resolve(url.host, url.port, policy)


def _named(environment: str) -> Credentials:
    if not ENVIRONMENT_NAME.fullmatch(environment) or environment.endswith("_FILE"):
        raise EntityInvalidError(
            f"'credentials_environment' is {environment!r}: name a variable WATCHWORD_CAMERA_..., "
            "in capitals, digits and '_'; a file that holds the secret is named by the same "
            "variable with _FILE appended, in the streamer's environment alone."
        )
    return Credentials(environment=environment)
