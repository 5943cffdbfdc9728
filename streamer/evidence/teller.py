"""Telling how the evidence of a camera fares: metrics, and a sentence now and then."""

import logging

from streamer.evidence.metrics import RecordingMetrics
from streamer.evidence.tally import EvidenceTally
from streamer.limited_log import LimitedLog

_SAY_SECONDS = 60.0

_log = logging.getLogger(__name__)


class EvidenceTeller:
    """Tells what came to a camera's tally since it was last asked to."""

    def __init__(self, camera_id: str, metrics: RecordingMetrics) -> None:
        self._camera_id = camera_id
        self._metrics = metrics
        self._told = EvidenceTally()
        self._log = LimitedLog(_log, _SAY_SECONDS)

    def tell(self, tally: EvidenceTally) -> None:
        """Tell it; a camera of which nothing is kept has no series."""
        if tally == self._told:
            return
        failed = tally.faults > self._told.faults
        self._told = self._metrics.tell(self._camera_id, tally, self._told)
        if failed:
            self._log.warning(
                "camera %s: its evidence is not kept: %s", self._camera_id, tally.problem
            )
