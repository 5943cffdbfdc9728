"""Ports for servers of the tests that come up later, or again: nobody takes them meanwhile.

A port that the system chooses (`bind` to 0) goes to the next one who asks, once it is closed. So
these lie outside the range it chooses from, and each test process has some of them to itself.
"""

import fcntl
import socket
import tempfile
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import IO

BLOCK = 100  # ports of one process
LOWEST, HIGHEST = 10_000, 65_000
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
RANGE_ELSEWHERE = (32_768, 60_999)  # Linux's own default, where it cannot be read


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, no two the same; those chosen long ago come last."""
    mine = _mine()
    found: list[int] = []
    for _ in range(BLOCK):
        if len(found) == count:
            return found
        if _is_free(port := mine.next()):
            found.append(port)
    raise RuntimeError(f"of {BLOCK} ports only {len(found)} are free")


class _Block:
    """Some ports that belong to whoever holds the lock: the system frees it when he ends."""

    def __init__(self, lock: IO[bytes], first: int) -> None:
        self._lock = lock
        self._ports = cycle(range(first, first + BLOCK))

    def next(self) -> int:
        return next(self._ports)


@cache
def _mine() -> _Block:
    folder = Path(tempfile.gettempdir()) / "watchword-test-ports"
    folder.mkdir(mode=0o777, exist_ok=True)
    for first in blocks(ephemeral()):
        try:
            lock = (folder / str(first)).open("ab")
        except OSError:  # another user's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
        else:
            return _Block(lock, first)
    raise RuntimeError(f"every block of ports is taken (the locks lie in {folder})")


def blocks(chosen: tuple[int, int]) -> list[int]:
    """The first ports of all blocks that have none of those that the system chooses from."""
    low, high = chosen
    firsts = range(LOWEST, HIGHEST - BLOCK, BLOCK)
    return [first for first in firsts if first + BLOCK <= low or first > high]


def ephemeral() -> tuple[int, int]:
    """The first and the last port that the system chooses itself."""
    try:
        low, high = RANGE.read_text().split()
    except OSError:
        return RANGE_ELSEWHERE
    return int(low), int(high)


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do it
        try:
            one.bind(("localhost", port))
        except OSError:
            return False
    return True
