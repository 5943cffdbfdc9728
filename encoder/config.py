"""Frozen settings of the running encoder part; a bundle's own are in its manifest."""

from dataclasses import dataclass, field

from encoder.record import VectorType
from encoder.session import SessionOptions

# Eight pictures a clip fill two cores by themselves: a larger batch costs memory (about 110 MB a
# clip) and gains nothing. A card wants more.
CPU_BATCH = 1
GPU_BATCH = 32


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """How clips are encoded here."""

    session: SessionOptions = field(default_factory=SessionOptions)
    batch: int = 0  # clips in one run; 0 lets the device decide
    wait_seconds: float = 0.1  # how long a clip may wait for others to fill its batch
    poll_seconds: float = 0.2  # how soon a stop is noticed while no clip comes
    vector_type: VectorType = "f4"
    attempts: int = 2  # of a clip that fails alone, before it is dead-lettered
    stale_seconds: float = 0.0  # live clips produced longer ago are dropped; 0: never
