"""What a reader of a topic notes beside its position: how far to go back, and what to beware of."""

import logging

import msgspec

_log = logging.getLogger(__name__)


class ProgressNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The note of a committed position (`streamer.bus.Position.note`).

    `rewind` is the lowest offset that is still inside any window of the partition. `tries` counts
    how often in a row the record at the position was taken up alone, by processes of which the
    last is `by`, without ever being committed. Records at the offsets in `skip` were put aside.
    """

    rewind: int | None = None
    tries: int = 0
    by: str = ""
    skip: tuple[int, ...] = ()


_decoder = msgspec.json.Decoder(ProgressNote)


def pack_note(note: ProgressNote) -> str:
    """The note as JSON.

    >>> pack_note(ProgressNote(rewind=7))
    '{"rewind":7}'
    """
    return msgspec.json.encode(note).decode()


def unpack_note(note: str) -> ProgressNote:
    """The note; an empty one for what is none, so that a foreign commit cannot stop a reader."""
    if not note:
        return ProgressNote()
    try:
        return _decoder.decode(note)
    except msgspec.MsgspecError as error:
        _log.warning("a committed position has a note that is none of ours: %s", error)
        return ProgressNote()
