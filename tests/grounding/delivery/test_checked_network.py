import math
import socket
import time

import httpcore
import pytest

from grounding.delivery.checked_network import (
    MAX_ADDRESSES,
    READ_BYTES,
    BoundedStream,
    CheckedNetwork,
    Deadline,
)
from streamer.address_policy import AddressPolicy
from streamer.errors import AddressRefusedError

LOCAL = AddressPolicy(loopback=True, private=True)


class Sockets(httpcore.SyncBackend):
    """Notes who is called; only `alive` addresses answer."""

    def __init__(self, *alive: str) -> None:
        self.called: list[tuple[str, float | None]] = []
        self._alive = alive

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_rest: object
    ) -> httpcore.NetworkStream:
        self.called.append((host, timeout))
        if host not in self._alive:
            raise httpcore.ConnectTimeout("nobody")
        return httpcore.MockStream([b"hello"])


@pytest.fixture
def lookup(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of every name; to be filled by the test."""
    addresses: list[str] = []
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda _host, port, **_wanted: [(0, 0, 0, "", (one, port)) for one in addresses],
    )
    return addresses


def network(sockets: Sockets, seconds: float = 60.0) -> CheckedNetwork:
    return CheckedNetwork(LOCAL, Deadline(seconds), sockets)


def test_the_next_address_is_tried_when_one_is_dead(lookup: list[str]) -> None:
    lookup += ["10.0.0.1", "10.0.0.2"]
    sockets = Sockets("10.0.0.2")
    assert network(sockets).connect_tcp("two.test", 80, 8.0).read(10) == b"hello"
    assert sockets.called == [("10.0.0.1", 4.0), ("10.0.0.2", 4.0)]


def test_a_host_of_many_dead_addresses_is_left_in_time(lookup: list[str]) -> None:
    lookup += [f"10.0.0.{last}" for last in range(1, 100)]
    sockets = Sockets()
    with pytest.raises(httpcore.ConnectTimeout):
        network(sockets).connect_tcp("many.test", 80, 6.0)
    assert sum(timeout or math.inf for _, timeout in sockets.called) == 6.0
    assert len(sockets.called) == MAX_ADDRESSES


def test_one_forbidden_address_forbids_the_host(lookup: list[str]) -> None:
    lookup += ["10.0.0.1", "169.254.169.254"]
    sockets = Sockets("10.0.0.1")
    with pytest.raises(AddressRefusedError):
        network(sockets).connect_tcp("both.test", 80, 1.0)
    assert not sockets.called


def test_nobody_is_called_after_the_deadline(lookup: list[str]) -> None:
    lookup.append("10.0.0.1")
    sockets = Sockets("10.0.0.1")
    with pytest.raises(httpcore.TimeoutException):
        network(sockets, seconds=0.0).connect_tcp("late.test", 80, 1.0)
    assert not sockets.called


def test_a_deadline_bounds_what_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    deadline = Deadline(10.0)
    assert deadline.bound(3.0) == 3.0
    assert deadline.bound(None) == deadline.bound(30.0) == 10.0
    deadline.tighten(20.0)
    assert deadline.bound(None) == 10.0
    deadline.tighten(2.0)
    now = 101.5
    assert deadline.bound(None) == 0.5
    now = 102.0
    with pytest.raises(httpcore.TimeoutException):
        deadline.bound(None)


@pytest.mark.parametrize("step", ["read", "write", "tls"])
def test_no_step_begins_after_the_deadline(step: str) -> None:
    stream = BoundedStream(httpcore.MockStream([b"hello"]), Deadline(0.0))
    steps = {
        "read": lambda: stream.read(10),
        "write": lambda: stream.write(b"hello"),
        "tls": lambda: stream.start_tls(httpcore.default_ssl_context()),
    }
    with pytest.raises(httpcore.TimeoutException):
        steps[step]()


def test_answers_are_read_in_small_pieces() -> None:
    asked: list[int] = []

    class Stream(httpcore.MockStream):
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            asked.append(max_bytes)
            return b""

    BoundedStream(Stream([]), Deadline(60.0)).read(65536)
    assert asked == [READ_BYTES]
