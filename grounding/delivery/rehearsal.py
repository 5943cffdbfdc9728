"""A test message, for whoever sets a webhook up."""

import time

from grounding.delivery.outcome import DeliveryOutcome, count_attempt
from grounding.delivery.worker import Sender
from grounding.stores import DeliveryQueue


def send_test(queue: DeliveryQueue, sender: Sender, subscription_id: str) -> DeliveryOutcome:
    """Send a test message to the subscription now, once, and say what came of it.

    A receiver that is gone is told about, not disabled: nothing but real alerts does that.
    Raises EntityNotFoundError: there is no such subscription.
    """
    delivery = queue.test(subscription_id)
    outcome = sender.send(delivery)
    count_attempt(delivery, outcome, time.time())
    if outcome.accepted:
        queue.sent(delivery)
    else:
        queue.give_up(delivery, outcome.why)
    return outcome
