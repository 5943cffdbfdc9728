"""Recording one connection of a camera, from its opening until it is over."""

from collections.abc import Iterator
from contextlib import contextmanager

from streamer.camera_record import CameraRecord
from streamer.errors import EvidenceStorageError
from streamer.evidence.config import EvidenceConfig
from streamer.evidence.played_tap import PlayedTap
from streamer.evidence.recorder import open_recorder
from streamer.evidence.tally import EvidenceTally

# A storage that hangs must not keep a camera from connecting anew; its thread is left behind
_CLOSE_SECONDS = 5.0


@contextmanager
def recording(
    record: CameraRecord, config: EvidenceConfig | None, tally: EvidenceTally
) -> Iterator[PlayedTap | None]:
    """A tap for the packets of a camera; None where its evidence is off or cannot be kept.

    Of a file at the fastest pace none is: its packets come long after their time, when what is as
    old as that is removed, and the file is there anyway.
    """
    if config is None or not record.evidence or record.pace == "fastest":
        yield None
        return
    try:
        recorder = open_recorder(config, record.camera_id, record.masks, tally)
    except EvidenceStorageError as error:
        tally.faults += 1
        tally.problem = str(error)
        yield None
        return
    tap = PlayedTap(recorder)
    try:
        yield tap
    finally:
        tap.end()
        recorder.close(_CLOSE_SECONDS)
