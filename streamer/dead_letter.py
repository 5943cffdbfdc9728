"""What becomes of a record that cannot be used: it is put aside with what was wrong."""

from streamer.bus import DEAD_LETTERS, Message, Record
from streamer.record import portable


def dead_letter(record: Record, attempts: int, error: Exception | None) -> Message:
    """The record as it came, with where it lay, the last error and how often it was tried."""
    headers = (
        *record.headers,
        ("topic", record.topic.encode()),
        ("partition", str(record.partition).encode()),
        ("offset", str(record.offset).encode()),
        ("error", type(error).__name__.encode()),
        ("attempt", str(attempts).encode()),
    )
    value = None if record.value is None else portable(record.value)
    return Message(DEAD_LETTERS.name, record.key, value, headers)
