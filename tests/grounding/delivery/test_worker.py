import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from grounding.delivery import worker as worker_module
from grounding.delivery.options import DeliveryOptions
from grounding.delivery.outcome import DeliveryOutcome
from grounding.delivery.sender import WebhookSender
from grounding.delivery.worker import DeliveryWorker
from grounding.stores import Delivery
from streamer.address_policy import AddressPolicy
from tests.grounding.delivery.memory_queue import MemoryQueue
from tests.grounding.delivery.messages import SECRET, delivery
from tests.grounding.delivery.receiver import listening, never, status

OPTIONS = DeliveryOptions(workers=2, drain_seconds=60.0)
ACCEPTED = DeliveryOutcome("accepted", 200)
BUSY = DeliveryOutcome("retry", 500, "hooks.example answered 500.")
DAY = 86400.0


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1010.0

    def __call__(self) -> float:
        return self.now


class ScriptedSender:
    """Answers from a script, then accepts; notes what it was given."""

    def __init__(self, *outcomes: DeliveryOutcome | Exception) -> None:
        self.given: list[Delivery] = []
        self._outcomes = list(outcomes)

    def send(self, delivery: Delivery) -> DeliveryOutcome:
        self.given.append(delivery)
        outcome = self._outcomes.pop(0) if self._outcomes else ACCEPTED
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class BrokenQueue(MemoryQueue):
    """Some calls fail as on a full disk."""

    def __init__(self, clock: Callable[[], float], *failing: str) -> None:
        super().__init__(clock)
        self._failing = list(failing)

    def __getattribute__(self, name: str) -> Any:
        failing = object.__getattribute__(self, "__dict__").get("_failing", [])
        if name in failing:
            failing.remove(name)
            return self._fail
        return object.__getattribute__(self, name)

    def _fail(self, *_arguments: object) -> None:
        raise OSError("The disk is full.")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> MemoryQueue:
    return MemoryQueue(clock)


@contextmanager
def working(
    queue: MemoryQueue, sender: Any, clock: Clock, options: DeliveryOptions = OPTIONS
) -> Iterator[threading.Event]:
    """A worker that runs while the block does."""
    stop = threading.Event()
    worker = DeliveryWorker(queue, sender, queue.wait, options, clock=clock)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def attempts(outcome: str) -> float:
    return value("watchword_delivery_attempts_total", channel="webhook", outcome=outcome)


def given_up(reason: str) -> float:
    return value("watchword_deliveries_given_up_total", channel="webhook", reason=reason)


def test_what_waits_is_sent_in_order(queue: MemoryQueue, clock: Clock) -> None:
    sender = ScriptedSender()
    queue.add(*(delivery(delivery_id=number) for number in range(5)))
    with working(queue, sender, clock):
        notes = queue.wait_for(5)
    assert notes == [("sent", number, "") for number in range(5)]
    assert [one.delivery_id for one in sender.given] == list(range(5))


def test_what_comes_later_is_sent_too(queue: MemoryQueue, clock: Clock) -> None:
    with working(queue, ScriptedSender(), clock):
        for number in range(3):
            queue.add(delivery(delivery_id=number))
            queue.wait_for(number + 1)


def test_a_failed_attempt_is_planned_anew(queue: MemoryQueue, clock: Clock) -> None:
    queue.add(delivery(attempts=1))
    with working(queue, ScriptedSender(BUSY), clock):
        assert queue.wait_for(1) == [("retry", 1, BUSY.why)]
    assert 20.0 <= queue.retries[0] - clock.now <= 30.0  # the second wait of the plan


def test_later_events_wait_for_the_first(queue: MemoryQueue, clock: Clock) -> None:
    sender = ScriptedSender(BUSY)
    queue.add(delivery(delivery_id=1), delivery(delivery_id=2))
    with working(queue, sender, clock):
        queue.wait_for(1)
        clock.now += 10.0
        assert [note for note, _, _ in queue.wait_for(3)] == ["retry", "sent", "sent"]
    assert [one.delivery_id for one in sender.given] == [1, 1, 2]
    assert sender.given[1].attempts == 1


def test_time_that_was_asked_for_is_given(queue: MemoryQueue, clock: Clock) -> None:
    queue.add(delivery())
    asks = DeliveryOutcome("retry", 429, "Too many.", retry_after_seconds=1000.0)
    with working(queue, ScriptedSender(asks), clock):
        queue.wait_for(1)
    assert 1000.0 <= queue.retries[0] - clock.now <= 1200.0


def test_gone_disables_the_subscription(queue: MemoryQueue, clock: Clock) -> None:
    before = given_up("gone")
    queue.add(delivery(delivery_id=1), delivery(delivery_id=2))
    with working(queue, ScriptedSender(DeliveryOutcome("gone", 410, "Gone.")), clock):
        notes = queue.wait_for(2)
    assert notes == [("disable", 1, "Gone."), ("disable", 2, "Gone.")]
    assert given_up("gone") == before + 1


def test_what_cannot_be_sent_is_given_up(queue: MemoryQueue, clock: Clock) -> None:
    before = given_up("failed")
    queue.add(delivery(delivery_id=1), delivery(delivery_id=2))
    with working(queue, ScriptedSender(DeliveryOutcome("failed", why="No secret.")), clock):
        assert queue.wait_for(2) == [("give_up", 1, "No secret."), ("sent", 2, "")]
    assert given_up("failed") == before + 1


def test_a_dead_subscriber_is_given_up_after_a_day(queue: MemoryQueue, clock: Clock) -> None:
    before = given_up("expired")
    queue.add(delivery(attempts=30))
    clock.now += DAY
    with working(queue, ScriptedSender(BUSY), clock):
        assert queue.wait_for(1) == [("give_up", 1, BUSY.why)]
    assert given_up("expired") == before + 1


def test_the_old_backlog_of_a_dead_subscriber_is_not_tried_one_by_one(
    queue: MemoryQueue, clock: Clock
) -> None:
    sender = ScriptedSender(BUSY, BUSY)
    queue.add(*(delivery(delivery_id=number, attempts=30) for number in (1, 2, 3)))
    queue.add(delivery(delivery_id=4, first_at=clock.now + DAY))
    clock.now += DAY
    with working(queue, sender, clock):
        notes = queue.wait_for(4)
    assert [note for note, _, _ in notes] == ["give_up", "give_up", "give_up", "retry"]
    assert [one.delivery_id for one in sender.given] == [1, 4]
    assert queue.retries[0] > clock.now + 2000.0  # still out of breath: no quick first retry


def test_old_events_are_told_after_a_long_outage_of_ours(queue: MemoryQueue, clock: Clock) -> None:
    queue.add(delivery(delivery_id=1), delivery(delivery_id=2))
    clock.now += 3 * DAY
    with working(queue, ScriptedSender(BUSY), clock):
        queue.wait_for(1)
        clock.now += 10.0
        assert [note for note, _, _ in queue.wait_for(3)] == ["retry", "sent", "sent"]


def test_a_removed_subscription_is_no_fault(queue: MemoryQueue, clock: Clock) -> None:
    class Remover(ScriptedSender):
        def send(self, delivery: Delivery) -> DeliveryOutcome:
            if delivery.subscription_id == "removed":
                queue.disable("removed", "removed")
            return super().send(delivery)

    queue.add(delivery(subscription_id="removed"), delivery(delivery_id=2))
    with working(queue, Remover(), clock):
        assert ("sent", 2, "") in queue.wait_for(2)


@pytest.mark.parametrize("failing", ["claim", "sent", "retry"])
def test_a_store_that_cannot_is_asked_again(
    failing: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_module, "FAULT_SECONDS", 0.01)
    before = value("watchword_delivery_store_faults_total")
    queue = BrokenQueue(clock, failing)
    sender = ScriptedSender(*([BUSY] if failing == "retry" else []))
    queue.add(delivery())
    with working(queue, sender, clock, DeliveryOptions(workers=1)):
        queue.wait_for(1)
    assert len(sender.given) == 1  # what came of it was noted, not tried again
    assert value("watchword_delivery_store_faults_total") == before + 1
    assert "The disk is full." in caplog.text or failing == "retry"


def test_a_store_that_stays_broken_does_not_keep_the_process(clock: Clock) -> None:
    queue = BrokenQueue(clock, *["sent"] * 10)
    queue.add(delivery())
    sender = ScriptedSender()
    with working(queue, sender, clock):
        while not sender.given:
            queue.wait(0.01)


def test_what_nobody_expected_ends_the_worker(queue: MemoryQueue, clock: Clock) -> None:
    stop = threading.Event()
    worker = DeliveryWorker(
        queue, ScriptedSender(ZeroDivisionError("a mistake")), queue.wait, OPTIONS, clock=clock
    )
    queue.add(delivery())
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        worker.run(stop)
    assert stop.is_set()


def test_nothing_is_claimed_after_the_stop_and_the_last_is_noted(
    queue: MemoryQueue, clock: Clock
) -> None:
    begun, end = threading.Event(), threading.Event()

    class Slow(ScriptedSender):
        def send(self, delivery: Delivery) -> DeliveryOutcome:
            begun.set()
            assert end.wait(60)
            return super().send(delivery)

    queue.add(delivery(delivery_id=1), delivery(delivery_id=2))
    options = DeliveryOptions(workers=1, drain_seconds=60.0)
    with working(queue, Slow(), clock, options) as stop:
        assert begun.wait(60)
        stop.set()
        end.set()
    assert queue.notes == [("sent", 1, "")]


def test_what_outlasts_the_drain_is_left_behind(
    queue: MemoryQueue, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    begun, end = threading.Event(), threading.Event()

    class Stuck(ScriptedSender):
        def send(self, delivery: Delivery) -> DeliveryOutcome:
            begun.set()
            assert end.wait(60)
            return ACCEPTED

    queue.add(delivery())
    with working(queue, Stuck(), clock, DeliveryOptions(workers=1, drain_seconds=0.0)) as stop:
        assert begun.wait(60)
        stop.set()
    assert queue.notes == []
    assert "1 deliveries were still being sent" in caplog.text
    end.set()


def test_subscribers_that_never_answer_do_not_hold_up_the_others(
    queue: MemoryQueue, clock: Clock
) -> None:
    """Ten that hang, on four senders: what the healthy one gets, it gets meanwhile."""
    end = threading.Event()
    healthy: list[int] = []

    class Hanging(ScriptedSender):
        def send(self, delivery: Delivery) -> DeliveryOutcome:
            if delivery.subscription_id.startswith("dead"):
                assert end.wait(60)
                return BUSY
            healthy.append(delivery.delivery_id)
            return ACCEPTED

    queue.add(
        *(
            delivery(delivery_id=number, subscription_id=f"dead-{number}", attempts=1)
            for number in range(10)
        ),
        *(delivery(delivery_id=number, subscription_id="healthy") for number in range(10, 15)),
    )
    with working(queue, Hanging(), clock, DeliveryOptions(workers=4)):
        assert queue.wait_for(5) == [("sent", number, "") for number in range(10, 15)]
        end.set()
        assert len(queue.wait_for(15)) == 15
    assert healthy == [10, 11, 12, 13, 14]


def test_three_subscribers_get_every_event_once_over_http(queue: MemoryQueue, clock: Clock) -> None:
    """One of them fails at first, another does not answer."""
    before = attempts("accepted"), attempts("retry")
    options = DeliveryOptions(workers=3, total_timeout_seconds=60.0)
    sender = WebhookSender(AddressPolicy(loopback=True, private=False), options)
    with (
        listening() as good,
        listening(status(500), status(200)) as flaky,
        listening(never) as dead,
    ):
        subscribers = {"good": good, "flaky": flaky, "dead": dead}
        queue.add(
            *(
                delivery(
                    delivery_id=10 * event + number,
                    subscription_id=name,
                    url=receiver.url,
                    event_id=f"a1e27.{event}",
                )
                for event in range(1, 4)
                for number, (name, receiver) in enumerate(subscribers.items())
            )
        )
        with working(queue, sender, clock, options):
            queue.wait_for(4)  # three sent, and one that failed
            clock.now += 10.0
            queue.wait_for(7)
            dead.wait_for(1)
            dead.ending.set()
            queue.wait_for(8)
    ids = [[one.headers["webhook-id"] for one in each.received] for each in subscribers.values()]
    assert ids[0] == ["a1e27.1", "a1e27.2", "a1e27.3"]
    assert ids[1] == ["a1e27.1", "a1e27.1", "a1e27.2", "a1e27.3"]
    assert ids[2] == ["a1e27.1"]
    assert attempts("accepted") - before[0] == 6
    assert attempts("retry") - before[1] == 2


def test_secrets_stay_out_of_the_log(
    queue: MemoryQueue, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(status(500)) as receiver:
        queue.add(delivery(url=receiver.url))
        sender = WebhookSender(AddressPolicy(loopback=True, private=False), OPTIONS)
        with working(queue, sender, clock):
            queue.wait_for(1)
    assert "answered 500" in caplog.text
    assert SECRET not in caplog.text
    assert "sesame" not in caplog.text
