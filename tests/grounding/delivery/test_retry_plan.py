from hypothesis import given
from hypothesis import strategies as st

from grounding.delivery.options import DeliveryOptions
from grounding.delivery.retry_plan import JITTER, LEAST_ATTEMPTS, is_over, next_attempt_at

OPTIONS = DeliveryOptions()
times = st.floats(0, 4e9)
chances = st.floats(0, 1)
failures = st.integers(1, 10**6)
plans = st.builds(
    lambda first, factor, age: DeliveryOptions(
        first_retry_seconds=first,
        longest_retry_seconds=first * factor,
        give_up_after_seconds=age,
    ),
    st.floats(0.01, 3600),
    st.floats(1, 10**6),
    st.floats(1, 10**7),
)


def wait(failures: int, options: DeliveryOptions = OPTIONS, chance: float = 0.5) -> float:
    return next_attempt_at(failures, 0.0, None, chance, options)


def test_waits_grow_from_seconds_to_an_hour() -> None:
    assert [wait(count) for count in range(1, 8)] == [5, 25, 125, 625, 3125, 3600, 3600]


@given(failures, plans, chances)
def test_a_wait_stays_within_the_plan(count: int, options: DeliveryOptions, chance: float) -> None:
    waited = wait(count, options, chance)
    shortest, longest = options.first_retry_seconds, options.longest_retry_seconds
    assert shortest * (1 - JITTER) * 0.999 <= waited <= longest * (1 + JITTER) * 1.001


@given(failures, plans, chances)
def test_a_wait_is_never_shorter_than_the_one_before(
    count: int, options: DeliveryOptions, chance: float
) -> None:
    assert wait(count + 1, options, chance) >= wait(count, options, chance)


@given(failures, times, st.floats(0, 1e9), chances, plans)
def test_who_asks_for_time_gets_it_within_the_plan(
    count: int, now: float, asked: float, chance: float, options: DeliveryOptions
) -> None:
    at = next_attempt_at(count, now, asked, chance, options)
    shortest, longest = options.first_retry_seconds, options.longest_retry_seconds
    assert at >= now + min(asked, longest)
    assert at >= now + shortest
    assert at <= (now + longest * (1 + JITTER)) * 1.001


@given(times, plans, chances)
def test_a_dead_subscriber_is_given_up_after_the_age_and_not_before(
    first_at: float, options: DeliveryOptions, chance: float
) -> None:
    """The plan walked to its end, as a worker walks it."""
    now, count = first_at, 1
    while count < 200 and not is_over(count, first_at, now, options):
        now = next_attempt_at(count, now, None, chance, options)
        count += 1
    assert count == 200 or now > first_at + options.give_up_after_seconds
    assert count >= LEAST_ATTEMPTS


def test_age_alone_gives_nothing_up() -> None:
    old = OPTIONS.give_up_after_seconds + 1
    assert not is_over(LEAST_ATTEMPTS - 1, 0.0, old, OPTIONS)
    assert is_over(LEAST_ATTEMPTS, 0.0, old, OPTIONS)
    assert not is_over(10**6, 0.0, OPTIONS.give_up_after_seconds, OPTIONS)
