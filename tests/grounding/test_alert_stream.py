import asyncio
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

import grounding.alert_stream
from grounding.alert_stream import KEEP_ALIVE, OPENING, AlertStream, AlertStreamOptions
from grounding.record import pack_alert
from grounding.stored_alert import AlertFilter
from tests.grounding.alert_shelf import AlertShelf, alert
from tests.grounding.worlds import T0

ALL = AlertFilter()
PATIENCE = 60.0


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The test runs in an event loop of its own, and does not hang."""

    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), PATIENCE))

    run.__name__ = test.__name__
    return run


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Reader:
    """A follower's end: the ids of the events it was told, in order."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self.ids: list[str] = []
        self.text = b""
        self.ended = False
        self._chunks = chunks

    async def read(self) -> bool:
        """One chunk; False at the end."""
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self.ended = True
            return False
        assert chunk.endswith(b"\n\n")
        self.text += chunk
        lines = chunk.decode().splitlines()
        self.ids += [line.removeprefix("id: ") for line in lines if line.startswith("id: ")]
        return True

    async def read_until(self, count: int) -> None:
        """Until so many events came."""
        while len(self.ids) < count:
            assert await self.read(), "it ended"

    async def leave(self) -> None:
        await self._chunks.aclose()


async def follow(
    stream: AlertStream, last_event_id: str | None = None, wanted: AlertFilter = ALL
) -> Reader:
    """A reader that was accepted; it has joined once it reads."""
    reader = Reader(stream.chunks(await stream.follow(wanted, last_event_id)))
    await reader.read()
    assert reader.text == OPENING
    return reader


@asynccontextmanager
async def streaming(**options: Any) -> AsyncIterator[tuple[AlertShelf, AlertStream]]:
    shelf = AlertShelf()
    stream = AlertStream(shelf, AlertStreamOptions(**options), clock=lambda: T0 + 7.0)
    shelf.listen(stream.notify)
    yield shelf, stream
    stream.close()


def joined(stream: AlertStream) -> int:
    return len(stream._live)


async def until(what: Callable[[], bool]) -> None:
    while not what():
        await asyncio.sleep(0.001)


@in_loop
async def test_without_an_id_only_what_comes_is_told() -> None:
    async with streaming() as (shelf, stream):
        shelf.write(alert(0))
        reader = await follow(stream)
        ids = shelf.write(alert(1), alert(2))
        await reader.read_until(2)
        assert reader.ids == ids


@in_loop
async def test_an_event_goes_over_the_wire_as_the_standard_says() -> None:
    async with streaming() as (shelf, stream):
        reader = await follow(stream)
        (event_id,) = shelf.write(alert(0, query="a \n car\r\n\u2028é"))
        await reader.read_until(1)
        kind, name, text, *rest = reader.text.removeprefix(OPENING).split(b"\n")
        assert (kind, name, rest) == (b"event: alert", f"id: {event_id}".encode(), [b"", b""])
        assert text == b"data: " + pack_alert(shelf.events[0].alert)
        assert json.loads(text.removeprefix(b"data: "))["query"] == "a \n car\r\n\u2028é"


@in_loop
async def test_a_follower_resumes_after_its_last_event() -> None:
    async with streaming(batch=3, buffer=4) as (shelf, stream):
        ids = shelf.write(*(alert(number) for number in range(11)))
        reader = await follow(stream, ids[3])
        await reader.read_until(7)
        ids += shelf.write(alert(11), alert(12))
        await reader.read_until(9)
        assert reader.ids == ids[4:]


@in_loop
async def test_an_unknown_event_stands_for_the_oldest_kept() -> None:
    async with streaming() as (shelf, stream):
        ids = shelf.write(*(alert(number) for number in range(6)))
        shelf.forget(2)
        reader = await follow(stream, ids[1])
        await reader.read_until(4)
        assert reader.ids == ids[2:]


@in_loop
async def test_what_is_remembered_spares_the_store() -> None:
    async with streaming(poll_seconds=PATIENCE) as (shelf, stream):
        first = await follow(stream)
        reading = asyncio.create_task(first.read_until(5))
        await until(lambda: joined(stream) == 1)
        ids = shelf.write(*(alert(number) for number in range(5)))
        await reading
        shelf.read_after.clear()
        second = await follow(stream, ids[0])
        await second.read_until(4)
        assert second.ids == ids[1:]
        assert set(shelf.read_after) <= {5}


@in_loop
async def test_a_follower_that_is_ahead_of_the_others_is_told_nothing_old() -> None:
    async with streaming() as (shelf, stream):
        first = await follow(stream)
        reading = asyncio.create_task(first.read_until(2))
        await until(lambda: joined(stream) == 1)
        shelf.readable.clear()  # what is read for the first one takes its time
        ids = shelf.write(alert(0))
        await until(lambda: shelf.waiting > 0)
        second = await follow(stream)
        second_reading = asyncio.create_task(second.read_until(1))
        await until(lambda: joined(stream) == 2)
        shelf.readable.set()
        ids += shelf.write(alert(1))
        await asyncio.gather(reading, second_reading)
        assert (first.ids, second.ids) == (ids, ids[1:])


@in_loop
async def test_whoever_joins_has_the_store_looked_at() -> None:
    shelf = AlertShelf()  # it tells nobody of new events
    stream = AlertStream(shelf, AlertStreamOptions(poll_seconds=PATIENCE))
    first = await follow(stream)
    reading = asyncio.create_task(first.read_until(1))
    await until(lambda: joined(stream) == 1 and shelf.read_after != [])
    await asyncio.sleep(0.01)  # the reader has found nothing and waits
    ids = shelf.write(alert(0))
    second = await follow(stream, "unknown")
    await second.read_until(1)
    await reading
    assert first.ids == second.ids == ids
    stream.close()


@in_loop
async def test_events_forgotten_while_nobody_listened_hold_nobody_up() -> None:
    async with streaming(buffer=4) as (shelf, stream):
        first = await follow(stream)
        reading = asyncio.create_task(first.read_until(9))
        ids = shelf.write(*(alert(number) for number in range(9)))
        await reading
        behind = await stream.follow(ALL, ids[1])
        shelf.forget(9)
        reader = Reader(stream.chunks(behind))
        await reader.read()
        reading = asyncio.create_task(reader.read_until(3))
        await until(lambda: joined(stream) == 2)
        ids = ids[-2:] + shelf.write(alert(20))  # two were remembered
        await reading
        assert reader.ids == ids


@in_loop
async def test_suppressed_alerts_are_told_to_nobody() -> None:
    async with streaming(buffer=1) as (shelf, stream):
        ids = shelf.write(alert(0))
        shelf.write(alert(1), suppressed="silence")
        ids += shelf.write(alert(2))
        reader = await follow(stream, "unknown")
        await reader.read_until(2)
        shelf.write(alert(3), suppressed="cooldown")
        ids += shelf.write(alert(4))
        await reader.read_until(3)
        assert reader.ids == ids


@pytest.mark.parametrize(
    "wanted",
    [
        AlertFilter(query_ids=("q1", "q7")),
        AlertFilter(camera_ids=("gate",)),
        AlertFilter(states=("closed",)),
        AlertFilter(query_ids=("q1",), camera_ids=("gate",), states=("closed", "updated")),
    ],
    ids=str,
)
def test_a_filter_holds_for_what_was_missed_and_what_comes(wanted: AlertFilter) -> None:
    @in_loop
    async def told_alone() -> None:
        fields = {"query_id": "q1", "camera_id": "gate", "state": "closed"}
        async with streaming() as (shelf, stream):
            shelf.write(alert(0))
            ids = shelf.write(alert(1, **fields))
            reader = await follow(stream, "unknown", wanted)
            await reader.read_until(1)
            shelf.write(alert(2))
            ids += shelf.write(alert(3, **fields))
            await reader.read_until(2)
            assert reader.ids == ids

    told_alone()


@in_loop
async def test_a_slow_follower_is_ended_and_counted_and_the_others_are_not() -> None:
    before = value("watchword_stream_followers_dropped_total")
    async with streaming(buffer=4) as (shelf, stream):
        slow, quick = await follow(stream), await follow(stream)
        first = asyncio.create_task(slow.read_until(1))
        reading = asyncio.create_task(quick.read_until(8))
        await until(lambda: joined(stream) == 2)
        ids = shelf.write(alert(0))
        await first
        for number in range(1, 8):  # one after the other: the quick one has its turn
            ids += shelf.write(alert(number))
            await until(lambda number=number: len(quick.ids) > number)
        await reading
        assert quick.ids == ids
        assert value("watchword_stream_followers_dropped_total") == before + 1
        assert not await slow.read()
        again = await follow(stream, slow.ids[-1])
        await again.read_until(7)
        assert slow.ids + again.ids == ids


@in_loop
async def test_a_burst_ends_nobody_who_reads() -> None:
    async with streaming(buffer=32) as (shelf, stream):
        readers = [await follow(stream) for _ in range(5)]
        reading = [asyncio.create_task(reader.read_until(1000)) for reader in readers]
        await until(lambda: joined(stream) == 5)
        ids = shelf.write(*(alert(number) for number in range(1000)))
        await asyncio.gather(*reading)
        assert all(reader.ids == ids for reader in readers)


@in_loop
async def test_an_event_is_rendered_once() -> None:
    rendered: list[str] = []

    def render(one: Any) -> bytes:
        rendered.append(one.event_id)
        return pack_alert(one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grounding.alert_stream, "pack_alert", render)
        async with streaming() as (shelf, stream):
            readers = [await follow(stream) for _ in range(20)]
            reading = [asyncio.create_task(reader.read_until(2)) for reader in readers]
            await until(lambda: joined(stream) == 20)
            ids = shelf.write(alert(0), alert(1))
            await asyncio.gather(*reading)
    assert rendered == ids


@in_loop
async def test_latency_is_observed_once_for_each_alert_that_is_told() -> None:
    names = ("watchword_alert_latency_seconds", "watchword_alert_onset_seconds")
    before = [value(f"{name}_{part}", channel="sse") for name in names for part in ("count", "sum")]
    async with streaming() as (shelf, stream):
        readers = [await follow(stream) for _ in range(3)]
        reading = [asyncio.create_task(reader.read_until(2)) for reader in readers]
        await until(lambda: joined(stream) == 3)
        shelf.write(alert(0), alert(0, revision=2, state="closed"))
        await asyncio.gather(*reading)
    after = [value(f"{name}_{part}", channel="sse") for name in names for part in ("count", "sum")]
    assert [b - a for a, b in zip(before, after, strict=True)] == pytest.approx([1, 1, 1, 7])


@in_loop
async def test_a_quiet_connection_is_kept_alive() -> None:
    async with streaming(keep_alive_seconds=0.001) as (_, stream):
        reader = await follow(stream)
        await reader.read()
        await reader.read()
        assert reader.text.removeprefix(OPENING).replace(KEEP_ALIVE, b"") == b""


@in_loop
async def test_events_of_another_process_are_found_without_being_told() -> None:
    shelf = AlertShelf()
    stream = AlertStream(shelf, AlertStreamOptions(poll_seconds=0.001))
    reader = await follow(stream)
    ids = shelf.write(alert(0))
    await reader.read_until(1)
    assert reader.ids == ids
    await reader.leave()


@in_loop
async def test_with_nobody_listening_the_store_is_left_in_peace() -> None:
    async with streaming(poll_seconds=0.001) as (shelf, stream):
        assert value("watchword_stream_followers") == 0
        reader = await follow(stream)
        assert value("watchword_stream_followers") == 1
        reading = asyncio.create_task(reader.read_until(1))
        await until(lambda: joined(stream) == 1)
        shelf.write(alert(0))
        await reading
        await reader.leave()
        assert value("watchword_stream_followers") == 0
        await asyncio.sleep(0)
        assert stream._reader is None
        shelf.write(alert(1))
        ids = shelf.write(alert(2))
        again = await follow(stream)
        ids = shelf.write(alert(3))
        await again.read_until(1)
        assert again.ids == ids


@in_loop
async def test_what_was_stored_last_is_told_before_the_end() -> None:
    async with streaming(poll_seconds=PATIENCE) as (shelf, stream):
        readers = [await follow(stream) for _ in range(2)]
        reading = [asyncio.create_task(reader.read_until(1)) for reader in readers]
        ids = shelf.write(alert(0))
        await asyncio.gather(*reading)

        def end() -> None:
            ids.extend(shelf.write(*(alert(number) for number in range(1, 30))))
            stream.close()

        await asyncio.to_thread(end)
        for reader in readers:
            while await reader.read():
                pass
            assert reader.ids == ids


@in_loop
async def test_closing_ends_followers_wherever_they_are() -> None:
    async with streaming() as (shelf, stream):
        live = await follow(stream)
        reading = asyncio.create_task(live.read_until(1))
        ids = shelf.write(alert(0))
        await reading
        behind = await follow(stream, "unknown")
        await asyncio.to_thread(stream.close)
        while await live.read():
            pass
        while await behind.read():
            pass
        assert live.ids == ids
        late = Reader(stream.chunks(await stream.follow(ALL)))
        while await late.read():
            pass
        assert late.text == OPENING
        assert value("watchword_stream_followers") == 0


def test_nobody_has_to_listen() -> None:
    stream = AlertStream(AlertShelf())
    stream.notify()

    @in_loop
    async def once() -> None:
        await (await follow(stream)).leave()

    once()
    stream.notify()
    once()  # in another event loop
    stream.close()


@in_loop
async def test_a_fault_of_the_store_ends_followers_and_the_next_one_begins_anew() -> None:
    async with streaming(poll_seconds=0.001) as (shelf, stream):
        reader = await follow(stream)
        reading = asyncio.create_task(reader.read_until(1))
        ids = shelf.write(alert(0))
        await reading
        shelf.fault = OSError("disk full")
        while await reader.read():
            pass
        shelf.fault = None
        ids += shelf.write(alert(1))
        again = await follow(stream, reader.ids[-1])
        await again.read_until(1)
        assert reader.ids + again.ids == ids


class Walk:
    """Three followers that come and go; `told` is what each was told over all its connections."""

    def __init__(self, shelf: AlertShelf, stream: AlertStream) -> None:
        self.ids: list[str] = []
        self.told: list[list[str]] = [[], [], []]
        self._shelf = shelf
        self._stream = stream
        self._readers: list[Reader] = []

    async def begin(self) -> None:
        self._readers = [await follow(self._stream, "unknown") for _ in self.told]

    async def write(self, count: int) -> None:
        begin = len(self.ids)
        self.ids += self._shelf.write(*(alert(begin + number) for number in range(count)))

    async def wait(self, _: int) -> None:
        await asyncio.sleep(0.001)

    async def reconnect(self, which: int) -> None:
        await self._readers[which].leave()
        last = self.told[which][-1] if self.told[which] else "unknown"
        self._readers[which] = await follow(self._stream, last)

    async def read(self, which: int) -> None:
        if len(self.told[which]) == len(self.ids):
            return
        reader = self._readers[which]
        if not await reader.read():  # it was too slow
            await self.reconnect(which)
        self.told[which] += reader.ids
        reader.ids = []

    async def finish(self) -> None:
        for which, told in enumerate(self.told):
            while len(told) < len(self.ids):
                await self.read(which)
            await self._readers[which].leave()


STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 7)),
    st.tuples(st.just("read"), st.integers(0, 2)),
    st.tuples(st.just("reconnect"), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.just(0)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=40), st.integers(1, 5), st.integers(1, 9))
def test_however_followers_come_and_go_nothing_is_missed_or_repeated(
    steps: list[tuple[str, int]], batch: int, buffer: int
) -> None:
    @in_loop
    async def take_the_steps() -> None:
        async with streaming(batch=batch, buffer=buffer, poll_seconds=0.001) as (shelf, stream):
            walk = Walk(shelf, stream)
            await walk.begin()
            for step, count in steps:
                await getattr(walk, step)(count)
            await walk.finish()
            assert all(told == walk.ids for told in walk.told)

    take_the_steps()


@in_loop
async def test_a_writer_of_its_own_thread_races_followers_that_resume() -> None:
    total = 600
    async with streaming(batch=5, buffer=16) as (shelf, stream):

        def write() -> None:
            for number in range(total):
                shelf.write(alert(number))

        async def follow_to_the_end(stride: int) -> list[str]:
            ids: list[str] = []
            while len(ids) < total:
                reader = await follow(stream, ids[-1] if ids else "unknown")
                wanted = min(stride, total - len(ids))
                while len(reader.ids) < wanted and await reader.read():
                    await asyncio.sleep(0)
                ids += reader.ids
                await reader.leave()
            return ids

        writer = threading.Thread(target=write)
        writer.start()
        told = await asyncio.gather(*(follow_to_the_end(stride) for stride in (7, 40, 1000)))
        writer.join()
        ids = [event.alert.event_id for event in shelf.events]
        assert all(one == ids for one in told)
