"""Room on the disk of the evidence."""

from streamer.errors import EvidenceStorageError
from streamer.evidence.config import EvidenceConfig
from streamer.evidence.shelf import Shelf


def check_room(shelf: Shelf, config: EvidenceConfig) -> None:
    """Raises EvidenceStorageError if nothing may be added.

    Half of what is to stay free has to be: whoever removes what is old keeps the whole of it free,
    and comes now and then.
    """
    free = shelf.free_bytes()
    if free is not None and free < config.keep_free_bytes // 2:
        raise EvidenceStorageError(
            f"The disk of the evidence has {free / 1e9:.1f} GB left, and half of "
            f"storage.evidence.keep_free_gigabytes stays free: make room."
        )
