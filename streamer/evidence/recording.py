"""Recording one connection of a camera, from its opening until it is over."""

from collections.abc import Iterator
from contextlib import contextmanager

from streamer.camera_record import CameraRecord
from streamer.errors import EvidenceStorageError
from streamer.evidence.config import EvidenceConfig
from streamer.evidence.played_tap import PlayedTap
from streamer.evidence.recorder import EvidenceRecorder, open_recorder
from streamer.evidence.tally import EvidenceTally

# A storage that hangs must not keep a camera from connecting anew; its thread is left behind
_CLOSE_SECONDS = 5.0
_HANGS = "The storage hangs: nothing is recorded until it answers."

_hanging: dict[str, EvidenceRecorder] = {}  # by camera, of this process


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
    hanging = _find_hanging(record.camera_id)
    try:
        recorder = open_recorder(config, record.camera_id, record.masks, tally, hanging)
    except EvidenceStorageError as error:
        _count(tally, str(error))
        yield None
        return
    if hanging is not None:
        _count(tally, _HANGS)
    tap = PlayedTap(recorder, tally=tally)
    try:
        yield tap
    finally:
        tap.end()
        if not recorder.close(_CLOSE_SECONDS):
            _count(tally, _HANGS)
            _hanging[record.camera_id] = recorder


def _find_hanging(camera_id: str) -> EvidenceRecorder | None:
    """The recorder of an earlier connection that did not end yet."""
    found = _hanging.get(camera_id)
    if found is not None and not found.hangs:
        del _hanging[camera_id]
        return None
    return found


def _count(tally: EvidenceTally, problem: str) -> None:
    tally.faults += 1
    tally.problem = problem
