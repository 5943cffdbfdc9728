"""Connections that lead only where they may, and that end in time."""

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from streamer.address_policy import AddressPolicy, resolve

MAX_ADDRESSES = 3  # of a host that are tried, each for its share of the time
READ_BYTES = 4096


class Deadline:
    """When an attempt ends, however its peer spreads out what it says."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def tighten(self, seconds: float) -> None:
        """End in `seconds`, if that is earlier."""
        self._at = min(self._at, time.monotonic() + seconds)

    def bound(self, timeout: float | None) -> float:
        """The time one step may take.

        Raises:
            httpcore.ReadTimeout: none is left.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the whole attempt took too long")
        return left if timeout is None else min(timeout, left)


class CheckedNetwork(httpcore.NetworkBackend):
    """Connects to the very addresses that the policy let pass.

    The host is looked up once: whoever answers the look-up cannot name another address between
    the check and the connection. TLS still verifies the host's name.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        deadline: Deadline,
        sockets: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._policy = policy
        self._deadline = deadline
        self._sockets = sockets or httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of the host that answers.

        Raises:
            AddressRefusedError: the host may not be connected to.
            SourceUnknownHostError: it does not resolve.
        """
        addresses = resolve(host, port, self._policy)[:MAX_ADDRESSES]
        share = None if timeout is None else timeout / len(addresses)
        last: Exception | None = None
        for address in addresses:
            try:
                stream = self._sockets.connect_tcp(
                    address, port, self._deadline.bound(share), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
            else:
                return BoundedStream(stream, self._deadline)
        assert last is not None
        raise last


class BoundedStream(httpcore.NetworkStream):
    """A connection none of whose steps goes on beyond the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, in small pieces: an answer is looked at, not kept."""
        return self._stream.read(min(max_bytes, READ_BYTES), self._deadline.bound(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        self._stream.write(buffer, self._deadline.bound(timeout))

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """The connection, encrypted and with the name verified."""
        left = self._deadline.bound(timeout)
        return BoundedStream(
            self._stream.start_tls(ssl_context, server_hostname, left), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        """What the connection beneath knows."""
        return self._stream.get_extra_info(info)
