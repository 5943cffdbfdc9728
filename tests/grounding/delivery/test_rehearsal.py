import pytest

from grounding.delivery.outcome import DeliveryOutcome
from grounding.delivery.rehearsal import send_test
from grounding.stores import Delivery
from streamer.errors import EntityNotFoundError
from tests.grounding.delivery.memory_queue import MemoryQueue


class Sender:
    def __init__(self, outcome: DeliveryOutcome) -> None:
        self._outcome = outcome

    def send(self, delivery: Delivery) -> DeliveryOutcome:
        assert delivery.state == "test"
        return self._outcome


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue(lambda: 0.0)


def test_the_outcome_is_told(queue: MemoryQueue) -> None:
    outcome = DeliveryOutcome("accepted", 204)
    assert send_test(queue, Sender(outcome), "5ub") == outcome
    assert queue.notes == [("sent", 0, "")]


@pytest.mark.parametrize("result", ["retry", "gone", "failed"])
def test_a_test_message_is_sent_once_and_disables_nobody(result: str, queue: MemoryQueue) -> None:
    outcome = DeliveryOutcome(result, why="It said no.")  # type: ignore[arg-type]
    assert send_test(queue, Sender(outcome), "5ub") == outcome
    assert queue.notes == [("give_up", 0, "It said no.")]


def test_an_unknown_subscription_is_an_error(queue: MemoryQueue) -> None:
    with pytest.raises(EntityNotFoundError):
        send_test(queue, Sender(DeliveryOutcome("accepted")), "unknown")
