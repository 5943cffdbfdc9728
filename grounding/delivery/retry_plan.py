"""When a delivery that failed is tried again, and when no more."""

from grounding.delivery.options import DeliveryOptions

GROWTH = 5.0  # 5 s, 25 s, 2 min, 10 min, 52 min, then the longest
JITTER = 0.2  # a subscriber that comes back must not be met by all its senders at once
# Age alone decides nothing: after a power cut the receiver may need longer to start than we do
LEAST_ATTEMPTS = 5


def next_attempt_at(
    failures: int, now: float, asked_seconds: float | None, chance: float, options: DeliveryOptions
) -> float:
    """When to try again after `failures` attempts in a row, the last of them `now`.

    `asked_seconds` is what the receiver asked for; it is kept to within the shortest and the
    longest wait of the plan. `chance`, 0 to 1, is the jitter.
    """
    first, longest = options.first_retry_seconds, options.longest_retry_seconds
    if asked_seconds is not None:
        # Not earlier than asked: jitter may only add
        return now + min(max(asked_seconds, first), longest) * (1.0 + JITTER * chance)
    # A higher power is beyond any longest wait, and would overflow one day
    wait = min(first * GROWTH ** min(max(failures - 1, 0), 40), longest)
    return now + wait * (1.0 + JITTER * (2.0 * chance - 1.0))


def is_over(failures: int, first_at: float, at: float, options: DeliveryOptions) -> bool:
    """Whether an event due since `first_at` is too old for an attempt at `at`.

    `failures` is how often in a row its subscriber was tried in vain.
    """
    return failures >= LEAST_ATTEMPTS and at > first_at + options.give_up_after_seconds
