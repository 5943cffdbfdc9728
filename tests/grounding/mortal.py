"""Grounding workers that die, lose commits and share partitions, on a bus that outlives them."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from encoder.embedding import ClipEmbedding
from encoder.record import pack_embedding
from grounding.alert import Alert
from grounding.blind import unpack_blind
from grounding.config import GroundingConfig
from grounding.grounder import Grounder
from grounding.membership import Membership
from grounding.query import StandingQuery
from grounding.record import unpack_alert
from grounding.tracker import AlertTracker
from grounding.worker import ChangingQueries, GroundingWorker
from streamer.bus import (
    ALERTS,
    BLIND,
    DEAD_LETTERS,
    EMBEDDINGS,
    TOPICS,
    Message,
    Partitions,
    Position,
    Rebalance,
    Record,
    Subscription,
)
from streamer.errors import CommitLostError
from streamer.memory_bus import MemoryBus
from tests.grounding.worlds import SESSION, T0, DetectorGraph, embedding, parts, query

CONFIG = GroundingConfig(poll_seconds=0.0, tick_seconds=0.0, audit_every=0, resumable=True)
QUERIES = (query("q0", 0), query("q1", 1, for_seconds=5.0))
ROOMY = [replace(one, capacity=100_000) for one in TOPICS]


class Killed(BaseException):
    """The process is gone, with all it had in memory."""


class Life:
    """So many calls until the process dies, and which of its commits the broker refuses."""

    def __init__(self, calls: int | None = None, lost: Iterable[int] = ()) -> None:
        self._left = calls
        self._lost = set(lost)
        self._commits = 0
        self.died = calls is not None  # until it is known to have outlived its work

    def spend(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed

    def lose_next(self) -> None:
        """The broker will refuse the next commit."""
        self._lost.add(self._commits + 1)

    def commit(self) -> None:
        self._commits += 1
        if self._commits in self._lost:
            raise CommitLostError("the group went on without this member")


class MortalSubscription:
    """A subscription of a process that may die right before and right after each call."""

    def __init__(self, inner: Subscription, life: Life) -> None:
        self._inner = inner
        self._life = life

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    def poll(self, timeout: float, max_records: int = 256) -> Sequence[Record]:
        self._life.spend()
        return self._inner.poll(0.0, max_records)

    def commit(
        self,
        outputs: Iterable[Message] = (),
        positions: Mapping[int, Position] | None = None,
    ) -> None:
        self._life.spend()
        self._life.commit()
        self._inner.commit(outputs, positions)
        self._life.spend()


class MortalBus:
    """One process's view of the bus: its subscriptions die with it, what it finishes goes on."""

    def __init__(self, bus: MemoryBus, life: Life) -> None:
        self._bus = bus
        self._life = life

    def subscribe(
        self,
        topic: str,
        group: str | None = None,
        rebalance: Rebalance | None = None,
        partitions: Partitions | None = None,
    ) -> Subscription:
        inner = self._bus.subscribe(topic, group, rebalance, partitions)
        return MortalSubscription(inner, self._life) if group else inner  # type: ignore[return-value]

    @property
    def partitions(self) -> int:
        return self._bus.partitions

    def publish(self, message: Message) -> int:
        return self._bus.publish(message)

    def lags(self) -> Mapping[str, int]:
        return self._bus.lags()

    def finish(self, topic: str) -> None:
        """Only here: other processes go on writing."""


class MortalGraph(DetectorGraph):
    """A detector in whose midst the process may die."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self._life = life

    def run(self, inputs):
        self._life.spend()
        return super().run(inputs)


def make_worker(
    bus: MemoryBus,
    life: Life | None = None,
    queries: Sequence[StandingQuery] = QUERIES,
    config: GroundingConfig = CONFIG,
    graph: DetectorGraph | None = None,
    clock=lambda: T0,
    changing: ChangingQueries | None = None,
    steady=None,
) -> GroundingWorker:
    life = life or Life()
    tracker = AlertTracker(config.alerts, "fake-bundle", keep_snapshots=config.resumable)
    grounder = Grounder(parts(graph=graph or MortalGraph(life)), tracker, config)
    grounder.watch(queries)
    mortal = MortalBus(bus, life)
    return GroundingWorker(mortal, grounder, config, clock, changing, steady)  # type: ignore[arg-type]


def live_on(bus: MemoryBus, lives: Iterable[Life]) -> None:
    """One process after the other, until the last has read everything."""
    for life in [*lives, Life()]:
        try:
            make_worker(bus, life).run(threading.Event())
        except Killed:
            continue
        life.died = False
        return


class Driven:
    """A worker that takes a turn when it is told to."""

    def __init__(self, bus: MemoryBus, **options: object) -> None:
        self._bus = bus
        self.stop = threading.Event()
        self.worker = make_worker(bus, **options)  # type: ignore[arg-type]
        self.member = Membership(
            self.worker._bus,
            self.worker._grounder,
            self.worker._hearing,
            self.stop,
            self.worker._process,
        )

    @property
    def done(self) -> bool:
        return self.member.finished

    def turn(self) -> None:
        self.worker._turn(self.member)

    def settle(self) -> None:
        """Turns until there is nothing left to read."""
        self.turn()
        while self._bus.lags()[EMBEDDINGS.name] or not self.member.ready:
            self.turn()

    def die(self) -> None:
        self.member.__exit__(None, None, None)


def draw(flags: str, camera_id: str, axis: int = 0, **fields: object) -> Iterator[ClipEmbedding]:
    """As `worlds.scene`, where `|` begins a new session 7 seconds after the last clip."""
    session, index = SESSION, 0
    for flag in flags:
        if flag == "|":
            session, index = session + 2000 * index + 7000, 0
            continue
        if flag != " ":
            cosines = {axis: 0.9} if flag == "#" else {}
            yield embedding(index, cosines, camera_id, session, **fields)  # type: ignore[arg-type]
        index += 1


def message(clip: ClipEmbedding) -> Message:
    return Message(EMBEDDINGS.name, clip.camera_id, pack_embedding(clip))


class Stage:
    """A bus with clips on it, and what was told about them."""

    def __init__(self, clips: Iterable[ClipEmbedding], partitions: int = 3) -> None:
        self.bus = MemoryBus(ROOMY, partitions)
        self._alerts = self.bus.subscribe(ALERTS.name)
        self._blind = self.bus.subscribe(BLIND.name)
        self.letters = self.bus.subscribe(DEAD_LETTERS.name)
        self._records: list[Record] = []
        self.show(clips)

    def show(self, clips: Iterable[ClipEmbedding]) -> None:
        for clip in clips:
            self.bus.publish(message(clip))

    def end(self) -> None:
        self.bus.finish(EMBEDDINGS.name)

    @property
    def records(self) -> list[Record]:
        """All that was published on the alerts topic."""
        while records := self._alerts.poll(0.0):
            self._records += records
        return self._records

    def alerts(self) -> list[Alert]:
        return [unpack_alert(record.value or b"") for record in self.records]

    def told(self) -> dict[str, tuple[object, ...]]:
        """All events by id; each of them was told once."""
        events = self.alerts()
        by_id = {alert.event_id: _rounded(alert) for alert in events}
        assert len(by_id) == len(events)
        return by_id

    def blind(self) -> dict[tuple[str, str], list[tuple[float, float]]]:
        """Blind periods by camera and reason, what is contiguous taken together."""
        periods: dict[tuple[str, str], list[tuple[float, float]]] = {}
        while records := self._blind.poll(0.0):
            for record in records:
                period = unpack_blind(record.value or b"")
                known = periods.setdefault((period.camera_id, period.reason), [])
                if known and abs(known[-1][1] - period.start) < 0.001:
                    known[-1] = (known[-1][0], period.end)
                else:
                    known.append((period.start, period.end))
        return {key: [(round(a, 3), round(b, 3)) for a, b in of] for key, of in periods.items()}


def _rounded(alert: Alert) -> tuple[object, ...]:
    numbers = (alert.start, alert.end, alert.score, alert.at)
    curve = tuple((round(at, 3), round(value, 3)) for at, value in alert.saliency)
    return (alert.state, alert.query_version, *(round(number, 3) for number in numbers), curve)
