"""What a bus does whose topics can be full. Its test class inherits this and gives `bus`."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from streamer.bus import Bus
from streamer.errors import BusClosedError, BusFullError
from tests.contract.bus_contract import (
    CAPACITY,
    NEWS,
    RESULTS,
    WORK,
    BusContract,
    drain,
    other_key,
    say,
    texts,
)


class BoundedBusContract(BusContract):
    """Inherit, and give the fixture `bus`."""

    def test_a_full_topic_blocks_until_its_reader_commits(
        self, bus: Bus, threads: Callable[..., Future]
    ):
        reader = bus.subscribe(WORK.name, "g")
        for i in range(CAPACITY):
            bus.publish(say(WORK, "k", str(i)))
        blocked = threads(bus.publish, say(WORK, "k", "more"))
        drain(reader, CAPACITY)
        assert not blocked.done()
        reader.commit()
        assert blocked.result(self.SOON) == 0
        assert texts(drain(reader, 1)) == ["more"]

    def test_a_full_topic_blocks_before_its_first_reader_came(
        self, bus: Bus, threads: Callable[..., Future]
    ):
        for i in range(CAPACITY):
            bus.publish(say(WORK, "k", str(i)))
        with pytest.raises(BusFullError, match=r"No room on test\.work"):
            bus.publish(say(WORK, "k", "more"), timeout=0.05)
        assert texts(drain(bus.subscribe(WORK.name, "g"), CAPACITY)) == ["0", "1", "2", "3"]

    def test_one_key_that_is_full_does_not_hold_up_another(self, bus: Bus):
        for i in range(CAPACITY):
            bus.publish(say(WORK, "busy", str(i)))
        assert bus.publish(say(WORK, other_key("busy"), "free"), timeout=0.05) == 0

    def test_a_live_source_drops_its_own_oldest(self, bus: Bus):
        reader = bus.subscribe(WORK.name, "g")
        bus.publish(say(WORK, "calm", "kept"))
        dropped = [
            bus.publish(say(WORK, "busy", str(i)), "drop_oldest") for i in range(CAPACITY + 3)
        ]
        assert dropped == [0] * CAPACITY + [1] * 3
        read = drain(reader, CAPACITY + 1)
        assert texts([r for r in read if r.key == "busy"]) == ["3", "4", "5", "6"]
        assert texts([r for r in read if r.key == "calm"]) == ["kept"]

    def test_news_that_nobody_reads_makes_room(self, bus: Bus):
        dropped = [bus.publish(say(NEWS, "k", str(i)), timeout=0.05) for i in range(CAPACITY + 2)]
        assert dropped == [0] * CAPACITY + [1] * 2
        assert texts(drain(bus.subscribe(NEWS.name), CAPACITY)) == ["2", "3", "4", "5"]

    def test_outputs_wait_for_room(self, bus: Bus, threads: Callable[..., Future]):
        reader, next_stage = bus.subscribe(RESULTS.name, "g"), bus.subscribe(WORK.name, "w")
        bus.publish(say(RESULTS, "k", "one"))
        drain(reader, 1)
        for i in range(CAPACITY):
            bus.publish(say(WORK, "k", str(i)))
        blocked = threads(reader.commit, [say(WORK, "k", "more")])
        assert texts(drain(next_stage, CAPACITY)) == ["0", "1", "2", "3"]
        assert not blocked.done()
        next_stage.commit()
        blocked.result(self.SOON)
        assert texts(drain(next_stage, 1)) == ["more"]

    def test_closing_ends_a_commit_that_waits(self, bus: Bus, threads: Callable[..., Future]):
        reader = bus.subscribe(RESULTS.name, "g")
        bus.publish(say(RESULTS, "k", "one"))
        drain(reader, 1)
        for i in range(CAPACITY):
            bus.publish(say(WORK, "k", str(i)))
        blocked = threads(reader.commit, [say(WORK, "k", "more")])
        bus.close()
        with pytest.raises(BusClosedError):
            blocked.result(self.SOON)

    def test_closing_wakes_everyone(self, bus: Bus, threads: Callable[..., Future]):
        reader = bus.subscribe(WORK.name, "g")
        started = threading.Barrier(3)

        def wait(call: Callable[..., object], *args: object) -> object:
            started.wait(self.SOON)
            return call(*args)

        for i in range(CAPACITY):
            bus.publish(say(RESULTS, "k", str(i)))
        for i in range(CAPACITY):
            bus.publish(say(WORK, "k", str(i)))
        drain(reader, CAPACITY)
        waiting = [
            threads(wait, reader.poll, 60.0),
            threads(wait, bus.publish, say(WORK, "k", "more")),
        ]
        started.wait(self.SOON)
        bus.close()
        bus.close()
        for call in waiting:
            with pytest.raises(BusClosedError):
                call.result(self.SOON)
        with pytest.raises(BusClosedError):
            bus.publish(say(WORK, "k", "late"))
        with pytest.raises(BusClosedError):
            bus.subscribe(WORK.name)
