import hashlib
from dataclasses import replace

import msgspec
import pytest

from encoder.errors import EmbeddingRecordError, ReplayError
from encoder.stored_dead_letter import MOST_BYTES, obstacle_of, read_dead_letter, replay_message
from streamer.bus import (
    ALERTS,
    BLIND,
    CAMERAS,
    CLIPS,
    DEAD_LETTERS,
    EMBEDDINGS,
    FEEDBACK,
    TOPICS,
    Record,
)
from streamer.dead_letter import dead_letter

BROKEN = Record(EMBEDDINGS.name, 3, 7, "yard", b"broken", (("trace", b"abc"),), published=1.0)


def put_aside(record: Record, error: Exception | None = None) -> Record:
    """The record as it lies on the dead letter topic."""
    message = dead_letter(record, 2, error or EmbeddingRecordError("no embedding"))
    return Record(message.topic, 5, 11, message.key, message.value, message.headers, published=2.0)


def test_a_dead_letter_says_where_its_record_lay() -> None:
    letter = read_dead_letter(put_aside(BROKEN))
    assert (letter.topic, letter.partition, letter.offset) == (EMBEDDINGS.name, 3, 7)
    assert (letter.key, letter.error, letter.attempt) == ("yard", "EmbeddingRecordError", 2)
    assert (letter.value, letter.headers) == (b"broken", (("trace", b"abc"),))
    assert (letter.size, letter.kept) == (6, True)
    assert letter.sha256 == hashlib.sha256(b"broken").hexdigest()


def test_replaying_publishes_the_record_as_it_was_and_marks_it() -> None:
    message = replay_message(read_dead_letter(put_aside(BROKEN)))
    assert (message.topic, message.key, message.value) == (EMBEDDINGS.name, "yard", b"broken")
    assert message.headers == (("trace", b"abc"), ("replayed", b"1"))


def test_a_record_that_failed_again_is_marked_once() -> None:
    again = replace(BROKEN, headers=(("replayed", b"1"), ("trace", b"abc")), offset=8)
    message = replay_message(read_dead_letter(put_aside(again)))
    assert message.headers == (("trace", b"abc"), ("replayed", b"1"))


def test_headers_of_the_record_that_are_called_like_ours_stay() -> None:
    record = replace(BROKEN, headers=(("error", b"mine"), ("topic", b"weather")))
    letter = read_dead_letter(put_aside(record))
    assert letter.topic == EMBEDDINGS.name
    assert letter.headers == (("error", b"mine"), ("topic", b"weather"))


def test_the_id_is_that_of_the_place_and_of_what_lay_there() -> None:
    letter = read_dead_letter(put_aside(BROKEN))
    repeated = read_dead_letter(replace(put_aside(BROKEN, ValueError()), partition=0, offset=99))
    assert repeated.letter_id == letter.letter_id
    for other in (
        replace(BROKEN, offset=8),
        replace(BROKEN, partition=4),
        replace(BROKEN, topic=ALERTS.name),
        replace(BROKEN, value=b"another, after a restart of a bus in memory"),
    ):
        assert read_dead_letter(put_aside(other)).letter_id != letter.letter_id


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_bytes_is_replayed_without_bytes(value: bytes | None) -> None:
    letter = read_dead_letter(put_aside(replace(BROKEN, value=value)))
    assert (letter.size, letter.kept) == (0, True)
    assert replay_message(letter).value == value


def test_what_is_too_large_is_known_by_its_size_and_hash() -> None:
    large = b"x" * (MOST_BYTES + 1)
    letter = read_dead_letter(put_aside(replace(BROKEN, value=large)))
    assert (letter.kept, letter.value, letter.headers) == (False, None, ())
    assert (letter.size, letter.sha256) == (len(large), hashlib.sha256(large).hexdigest())
    with pytest.raises(ReplayError, match=f"{len(large)} bytes were too many"):
        replay_message(letter)


def test_large_headers_count_too() -> None:
    headers = (("tracked", b"x" * MOST_BYTES),)
    assert not read_dead_letter(put_aside(replace(BROKEN, headers=headers))).kept


def test_a_camera_may_name_a_secret_and_is_not_kept() -> None:
    sealed = b'{"camera_id":"yard","credentials":{"sealed":"geheim"}}'
    letter = read_dead_letter(put_aside(replace(BROKEN, topic=CAMERAS.name, value=sealed)))
    assert (letter.kept, letter.value) == (False, None)
    assert b"geheim" not in msgspec.json.encode(letter)


def test_an_error_shows_no_password() -> None:
    record = replace(put_aside(BROKEN), headers=(("error", b"rtsp://anna:geheim@gate/1 is gone"),))
    assert "geheim" not in read_dead_letter(record).error


@pytest.mark.parametrize("topic", [EMBEDDINGS, ALERTS, BLIND, FEEDBACK], ids=lambda one: one.name)
def test_what_is_told_once_can_be_told_again(topic: object) -> None:
    letter = read_dead_letter(put_aside(replace(BROKEN, topic=topic.name)))  # type: ignore[attr-defined]
    assert obstacle_of(letter) == ""


@pytest.mark.parametrize(
    "topic",
    [*(one.name for one in TOPICS if one.compacted), CLIPS.name, DEAD_LETTERS.name, "weather"],
)
def test_what_would_do_harm_or_no_good_is_not_replayed(topic: str) -> None:
    letter = read_dead_letter(put_aside(replace(BROKEN, topic=topic)))
    assert obstacle_of(letter)
    with pytest.raises(ReplayError, match=f"{letter.letter_id} cannot be replayed: "):
        replay_message(letter)


def test_a_record_of_another_program_stands_for_itself() -> None:
    letter = read_dead_letter(replace(BROKEN, topic=DEAD_LETTERS.name, headers=()))
    assert (letter.topic, letter.partition, letter.offset) == (DEAD_LETTERS.name, 3, 7)
    assert (letter.error, letter.attempt, letter.value) == ("unknown", 0, b"broken")
    assert obstacle_of(letter)


def test_numbers_that_are_none_are_nought() -> None:
    headers = (
        ("topic", EMBEDDINGS.name.encode()),
        ("partition", b"-1"),
        ("offset", b"9" * 19),
        ("attempt", "²".encode()),
    )
    letter = read_dead_letter(replace(BROKEN, topic=DEAD_LETTERS.name, headers=headers))
    assert (letter.partition, letter.offset, letter.attempt) == (0, 0, 0)
