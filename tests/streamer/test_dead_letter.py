from streamer.bus import DEAD_LETTERS, QUERIES, Record
from streamer.dead_letter import dead_letter


def test_a_record_keeps_its_value_and_says_where_it_lay_and_what_was_wrong() -> None:
    record = Record(QUERIES.name, 5, 42, "q1", b"?", (("trace", b"1"),), published=0.0)
    letter = dead_letter(record, 2, ValueError("no"))
    assert (letter.topic, letter.key, letter.value) == (DEAD_LETTERS.name, "q1", b"?")
    assert dict(letter.headers) == {
        "trace": b"1",
        "topic": QUERIES.name.encode(),
        "partition": b"5",
        "offset": b"42",
        "error": b"ValueError",
        "attempt": b"2",
    }
