"""Alerts to many followers at once: how late each is told of a commit, and what telling costs.

The server is a process of its own with the real app and store (`fan_out_server.py`); its followers
are bare connections of this process, so that what is measured is the server.
"""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from deploy.bench.figure import Figure
from deploy.bench.open_files import allow_open_files
from deploy.errors import BenchError

CONNECTING = 100  # at once
PATIENCE_SECONDS = 60.0
SPARE_FILES = 64

_ASK = b"GET /v1/alerts/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
_EVENT = re.compile(rb"\nid: ([0-9a-f]{64})\.1\n")


@dataclass(frozen=True, slots=True)
class FanOutOptions:
    """How many follow, how many alerts a second for how long, and how many then all at once."""

    followers: int = 1000
    rate: float = 5.0
    seconds: float = 20.0
    burst: int = 100


class Order(msgspec.Struct, frozen=True):
    """Write alerts with numbers from `first` on, so many a second; 0 as fast as it goes."""

    first: int
    count: int
    rate: float = 0.0


class Written(msgspec.Struct, frozen=True):
    """When each was committed (monotonic seconds), and what the server has used so far."""

    commits: list[float]
    processor_seconds: float
    resident_bytes: int


def bench_fan_out(options: FanOutOptions) -> Iterator[Figure]:
    """Figures of alerts one by one, then of a burst.

    Raises BenchError if the server does not come up, or this machine allows too few open files.
    """
    if allow_open_files() < options.followers + SPARE_FILES:
        raise BenchError(
            f"{options.followers} followers need as many open files: raise the limit (ulimit -Hn)"
        )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="watchword-bench-")))
        server = _Server(folder)
        stack.callback(server.close)
        yield from asyncio.run(_measure(server, options))


class _Server:
    """The server's process."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "deploy.bench.fan_out_server", str(folder)],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = msgspec.json.decode(self._answer(), type=int)

    def write(self, order: Order) -> Written:
        """Blocks until all are written."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order).decode() + "\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._answer(), type=Written)

    def close(self) -> None:
        """End it."""
        self._process.communicate()  # its input ends, and so does it

    def _answer(self) -> str:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return line
        raise BenchError("the server that was to be measured ended")


class _Crowd:
    """All followers: what they were told, and when."""

    def __init__(self) -> None:
        self.told: list[tuple[int, float]] = []
        self.following = 0
        self.lost = 0


class _Follower(asyncio.Protocol):
    """A connection that notes when each event comes."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._rest = b""
        self._following = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(_ASK)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        text, end = self._rest + data, 0
        if not self._following and b"\n: " in text:  # the comment that opens the stream
            self._following = True
            self._crowd.following += 1
        for found in _EVENT.finditer(text):
            self._crowd.told.append((int(found[1], 16), now))
            end = found.end()
        self._rest = text[max(end, len(text) - 100) :]  # an id may be cut in two

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.lost += 1


async def _measure(server: _Server, options: FanOutOptions) -> list[Figure]:
    crowd = _Crowd()
    alone = await asyncio.to_thread(server.write, Order(0, 1))
    async with _following(server.port, crowd, options.followers):
        await _write(server, crowd, Order(1, 3), options.followers)  # warms up
        count = max(1, round(options.rate * options.seconds))
        before = await asyncio.to_thread(server.write, Order(4, 0))
        paced = await _write(server, crowd, Order(4, count, options.rate), options.followers)
        figures = _told_one_by_one(paced, before, options)
        figures.append(_memory(alone, paced.written, options.followers))
        resident = paced.written.resident_bytes / 1e6
        figures.append(Figure("server's memory, resident", resident, "MB"))
        if options.burst:
            burst = Order(4 + count, options.burst)
            figures += _told_at_once(await _write(server, crowd, burst, options.followers))
        figures.append(Figure("followers lost", crowd.lost, "", "at most", 0))
    return figures


@asynccontextmanager
async def _following(port: int, crowd: _Crowd, followers: int) -> AsyncIterator[None]:
    """So many followers, all of which are told what comes from now on."""
    loop = asyncio.get_running_loop()
    opened: list[asyncio.Transport] = []
    try:
        while len(opened) < followers:
            some = min(CONNECTING, followers - len(opened))
            made = (
                loop.create_connection(lambda: _Follower(crowd), "127.0.0.1", port)
                for _ in range(some)
            )
            opened += [transport for transport, _ in await asyncio.gather(*made)]
            await _until_count(lambda: crowd.following, len(opened), "followers were let in")
        yield
    finally:
        for transport in opened:
            transport.abort()


@dataclass(frozen=True, slots=True)
class _Told:
    """What became of an order: `told` holds (number, when) of every event at every follower."""

    order: Order
    written: Written
    told: Sequence[tuple[int, float]]
    followers: int

    def delays(self) -> list[float]:
        """Seconds from commit to receipt, ascending."""
        commits = self.written.commits
        return sorted(at - commits[number - self.order.first] for number, at in self.told)


async def _write(server: _Server, crowd: _Crowd, order: Order, followers: int) -> _Told:
    crowd.told = []
    written = await asyncio.to_thread(server.write, order)
    wanted = order.count * followers
    await _until_count(lambda: len(crowd.told), wanted, "events were told")
    # Asked only now: what the server used until everybody was told
    used = await asyncio.to_thread(server.write, Order(0, 0))
    written = Written(written.commits, used.processor_seconds, used.resident_bytes)
    return _Told(order, written, crowd.told, followers)


async def _until_count(count: Callable[[], int], wanted: int, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while count() < wanted:
        if time.monotonic() > deadline:
            raise BenchError(f"{count()} of {wanted} {what}, and then no more")
        await asyncio.sleep(0.01)


def _told_one_by_one(paced: _Told, before: Written, options: FanOutOptions) -> list[Figure]:
    delays = paced.delays()
    used = paced.written.processor_seconds - before.processor_seconds
    return [
        Figure("followers", options.followers),
        Figure("alerts a second", options.rate, "/s"),
        *(
            Figure(f"from commit to follower, p{percent}", 1e3 * _percentile(delays, percent), "ms")
            for percent in (50, 95, 99)
        ),
        Figure("server's processor time for each told", 1e6 * used / len(delays), "us"),
    ]


def _told_at_once(burst: _Told) -> list[Figure]:
    began, ended = burst.written.commits[0], max(at for _, at in burst.told)
    speed = len(burst.told) / (ended - began)
    return [
        Figure(f"{burst.order.count} alerts at once, all told after", ended - began, "s"),
        Figure(f"{burst.order.count} alerts at once, told", speed, "/s"),
    ]


def _memory(alone: Written, crowded: Written, followers: int) -> Figure:
    more = crowded.resident_bytes - alone.resident_bytes
    return Figure("server's memory for each follower", more / followers / 1e3, "kB")


def _percentile(ascending: Sequence[float], percent: int) -> float:
    return ascending[min(len(ascending) - 1, len(ascending) * percent // 100)]
