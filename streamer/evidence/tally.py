"""What keeping evidence of a camera met; counted while it goes on."""

from dataclasses import dataclass


@dataclass(slots=True)
class EvidenceTally:
    """Counts, read by any thread.

    `waited` is written by who reads the camera, the rest by the recorder's thread; `faults` and
    `problem` also by who connects, so that two faults of one moment may count as one.
    """

    segments: int = 0
    bytes: int = 0
    faults: int = 0  # times that the storage refused, or a stream could not be kept
    waited: int = (
        0  # packets dropped because too much waited for the storage, or for a first picture
    )
    refused: int = 0  # packets dropped after a fault, or that only others could be decoded with
    problem: str = ""  # what the newest fault was

    @property
    def packets_dropped(self) -> int:
        """Packets that were not kept, whatever the reason."""
        return self.waited + self.refused
