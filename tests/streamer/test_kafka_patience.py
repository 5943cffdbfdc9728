"""A lost request costs little, and a slow broker is not asked the same thing for ever."""

from streamer.kafka_patience import FIRST_SECONDS, Patience


def test_it_is_short_first_and_twice_as_long_after_each_miss_up_to_the_most() -> None:
    patience = Patience(10.0)
    waited = []
    for _ in range(4):
        waited.append(patience.seconds)
        patience.missed()
    assert waited == [FIRST_SECONDS, 2 * FIRST_SECONDS, 10.0, 10.0]


def test_a_commit_that_succeeds_makes_it_short_again() -> None:
    patience = Patience(10.0)
    patience.missed()
    patience.kept(0.1)
    assert patience.seconds == FIRST_SECONDS


def test_after_a_slow_commit_the_next_is_given_the_time_at_once() -> None:
    patience = Patience(10.0)
    patience.kept(4.0)
    assert patience.seconds == 8.0
    patience.kept(7.0)
    assert patience.seconds == 10.0


def test_it_is_never_longer_than_a_transaction_lives() -> None:
    patience = Patience(1.0)
    assert patience.seconds == 1.0
    patience.missed()
    assert patience.seconds == 1.0
    patience.kept(5.0)
    assert patience.seconds == 1.0
