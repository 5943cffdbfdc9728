"""Waiting longer after each failure, by chance a little less or more."""

import random

from streamer.config import BackOffSettings


class BackOff:
    """Doubling delays with jitter: a power cut must not make all cameras knock at once."""

    def __init__(self, settings: BackOffSettings, chance: random.Random | None = None) -> None:
        self._settings = settings
        self._chance = chance or random.Random()  # noqa: S311 - no secret depends on it
        self._failures = 0

    def next_seconds(self) -> float:
        """The time to wait now: between half and the whole of first * 2^failures, bounded."""
        doubled = self._settings.first_seconds * 2.0 ** min(self._failures, 32)
        self._failures += 1
        return self._chance.uniform(0.5, 1.0) * min(doubled, self._settings.longest_seconds)

    def reset(self) -> None:
        """Forget the failures: the thing works again."""
        self._failures = 0
