import pytest

from grounding.delivery.lanes import Lanes
from grounding.delivery.options import DeliveryOptions
from grounding.stores import Delivery
from tests.grounding.delivery.messages import delivery

OPTIONS = DeliveryOptions(workers=4, lease_seconds=60.0, total_timeout_seconds=10.0)


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def lanes(time: Time) -> Lanes:
    return Lanes(OPTIONS, time)


def tried(number: int) -> Delivery:
    """The delivery of a subscription of its own that failed once."""
    return delivery(delivery_id=number, subscription_id=f"dead-{number}", attempts=1)


def fresh(number: int) -> Delivery:
    return delivery(delivery_id=number, subscription_id=f"live-{number}")


def test_what_never_failed_always_enters(lanes: Lanes) -> None:
    assert all(lanes.enter(fresh(number), 0.0) for number in range(100))


def test_those_that_failed_get_half_of_the_senders(lanes: Lanes) -> None:
    entered = [lanes.enter(tried(number), 0.0) for number in range(4)]
    assert entered == [True, True, False, False]
    assert lanes.enter(fresh(9), 0.0)
    assert lanes.next() is None


def test_who_waited_is_next_when_there_is_room(lanes: Lanes) -> None:
    for number in range(4):
        lanes.enter(tried(number), 0.0)
    lanes.leave(tried(0))
    assert lanes.next() == tried(2)
    assert lanes.next() is None
    lanes.leave(tried(1))
    assert lanes.next() == tried(3)


def test_nobody_waits_longer_than_its_claim_can_bear(lanes: Lanes, time: Time) -> None:
    for number in range(4):
        lanes.enter(tried(number), claimed_at=float(number))
    lanes.leave(tried(0))
    time.now = 42.5  # 60 s of lease, less twice an attempt, since 3.0 but not since 2.0
    assert lanes.next() == tried(3)


def test_one_sender_is_for_all() -> None:
    lanes = Lanes(DeliveryOptions(workers=1))
    assert lanes.enter(tried(1), 0.0)
    lanes.leave(tried(1))
    assert lanes.enter(fresh(2), 0.0)


def test_failures_count_in_a_row_over_all_deliveries_of_a_subscription(lanes: Lanes) -> None:
    first, second = (
        delivery(delivery_id=number, subscription_id="flaky", attempts=0) for number in (1, 2)
    )
    assert [lanes.note_failure(first), lanes.note_failure(second)] == [1, 2]
    assert lanes.streak("flaky") == 2
    assert not all(lanes.enter(one, 0.0) for one in (first, second, tried(3)))
    lanes.forget_failures("flaky")
    assert lanes.streak("flaky") == 0


def test_attempts_made_before_a_restart_count(lanes: Lanes) -> None:
    assert lanes.note_failure(delivery(attempts=7)) == 8
