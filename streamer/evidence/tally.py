"""What keeping evidence of a camera met; counted while it goes on."""

from dataclasses import dataclass


@dataclass(slots=True)
class EvidenceTally:
    """Counts since the beginning; written by the recorder's threads, read by any."""

    segments: int = 0
    bytes: int = 0
    packets_dropped: int = 0  # that were not kept, whatever the reason
    faults: int = 0  # times that the storage refused, or a stream could not be kept
