"""Queued messages: in order by key, bounded by key, keys in turn."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from streamer.bus import Message
from streamer.kafka_queue import KeyQueue

KEYS = st.sampled_from("abc")


def say(key: str, value: int, topic: str = "t") -> Message:
    return Message(topic, key, str(value).encode())


def pop_all(queue: KeyQueue) -> list[Message]:
    messages: list[Message] = []
    while (message := queue.pop()) is not None:
        messages.append(message)
    return messages


@given(st.lists(st.one_of(KEYS, st.none()), max_size=60), st.integers(0, 5))
def test_of_each_key_the_newest_are_left_in_order(steps: list[str | None], capacity: int):
    """A step is a message of this key, or None: one is taken."""
    queue = KeyQueue()
    kept: dict[str, list[int]] = defaultdict(list)
    for value, key in enumerate(steps):
        if key is None:
            taken = queue.pop()
            assert (taken is None) == (not any(kept.values()))
            if taken is not None:
                assert int(taken.value or b"") == kept[taken.key].pop(0)
        else:
            dropped = queue.push(say(key, value), capacity)
            kept[key].append(value)
            assert dropped == max(0, len(kept[key]) - max(1, capacity))
            kept[key] = kept[key][dropped:]
        assert len(queue) == sum(map(len, kept.values()))
    left: dict[str, list[int]] = defaultdict(list)
    for message in pop_all(queue):
        left[message.key].append(int(message.value or b""))
    assert left == {key: values for key, values in kept.items() if values}


def test_a_key_with_much_to_say_lets_the_others_speak():
    queue = KeyQueue()
    for value in range(4):
        queue.push(say("loud", value), 10)
    queue.push(say("soft", 9), 10)
    assert [message.key for message in pop_all(queue)] == ["loud", "soft", "loud", "loud", "loud"]


def test_the_same_key_of_another_topic_makes_no_room():
    queue = KeyQueue()
    assert queue.push(say("k", 1, "one"), 1) == 0
    assert queue.push(say("k", 2, "two"), 1) == 0
    assert queue.holds("one")
    assert queue.push(say("k", 3, "one"), 1) == 1
    assert {message.value for message in pop_all(queue)} == {b"2", b"3"}
    assert not queue.holds("one")
