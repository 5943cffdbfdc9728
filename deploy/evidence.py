"""Evidence of a running server: where it is, and what the api part does about it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from prometheus_client import REGISTRY

from deploy.errors import ConfigError, StoreError
from deploy.settings import Settings
from deploy.settings import parts as chosen
from deploy.threads import Threads
from grounding.alert import Alert
from grounding.alert_evidence import AlertEvidence
from grounding.stored_alert import AlertFilter
from grounding.stores import AlertStore
from streamer.errors import EvidenceError
from streamer.evidence.config import EvidenceConfig
from streamer.evidence.metrics import StorageMetrics
from streamer.evidence.shelf import Shelf, open_shelf
from streamer.evidence.sweeper import Sweeper
from streamer.limited_log import LimitedLog

_EVENTS = 500  # read at a time
_LOOK_SECONDS = 2.0
_SAY_SECONDS = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where evidence is, and how it is kept."""

    config: EvidenceConfig
    shelf: Shelf


def open_evidence(settings: Settings, parts: Sequence[str]) -> Evidence | None:
    """The evidence of a process with these parts; None where none is kept, which is logged.

    Raises:
        ConfigError: `storage.evidence.url` cannot be used.
    """
    config = chosen.evidence_config(settings, parts)
    if config is None:
        if settings.storage.evidence.enabled and {"streamer", "api"} & set(parts):
            _log.warning(
                "no evidence is kept: the parts run apart, and storage.evidence.url names no store "
                "that all of them reach"
            )
        return None
    try:
        return Evidence(config, open_shelf(config.url))
    except EvidenceError as error:
        raise ConfigError(str(error).rstrip(".")) from error


class EvidenceKeeper:
    """Keeps the clips of alerts once they have closed, and removes what is old.

    Which clips are kept can be seen from the storage alone: after a restart those of alerts that
    closed in the meantime are kept, too. Several processes may do so at once.
    """

    def __init__(
        self,
        evidence: Evidence,
        alerts: AlertStore,
        clips: AlertEvidence,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clips = clips
        self._config = evidence.config
        self._sweeper = Sweeper(evidence.config, evidence.shelf, StorageMetrics(REGISTRY))
        self._alerts = alerts
        self._clock = clock
        self._log = LimitedLog(_log, _SAY_SECONDS)
        self._waiting: dict[str, Alert] = {}
        self._read_to = 0

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        threads = Threads(stop.set)
        threads.start("evidence sweeper", partial(self._sweeper.run, stop))
        threads.start("evidence keeper", partial(self._keep_all, stop))
        threads.wait()

    def prune(self, before: float) -> None:
        """Remove the clips of alerts that closed before then (UTC seconds)."""
        try:
            self.clips.prune(before)
        except EvidenceError as error:
            self._log.warning("clips of old alerts are not removed: %s", error)

    def look(self) -> None:
        """Keep what can be kept now.

        Raises:
            StoreError: the store does not answer.
        """
        while events := self._alerts.events_after(self._read_to, _EVENTS):
            self._note([event.alert for event in events])
            self._read_to = events[-1].sequence
        for alert in list(self._waiting.values()):
            if self._is_done(alert):
                del self._waiting[alert.alert_id]

    def begin(self) -> None:
        """Note the alerts that closed while nobody kept their clips.

        Raises:
            StoreError: the store does not answer.
        """
        self._read_to = self._alerts.last_sequence()
        since = self._clock() - self._config.keep_seconds
        wanted, before = AlertFilter(states=("closed",), since=since), 0
        while found := self._alerts.page(wanted, before, _EVENTS):
            self._note([stored.alert for stored in found])
            before = self._alerts.opening(found[-1].alert.alert_id)

    def _keep_all(self, stop: threading.Event) -> None:
        begun = False
        while not stop.is_set():
            try:
                if not begun:
                    self.begin()
                    begun = True
                self.look()
            except StoreError as error:
                self._log.warning("clips of alerts are not kept: %s", error)
            stop.wait(_LOOK_SECONDS)
        self._log.close()

    def _note(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            if alert.state == "closed":
                self._waiting[alert.alert_id] = alert

    def _is_done(self, alert: Alert) -> bool:
        if alert.at < self._clock() - self._config.keep_seconds:
            return True  # what it could be cut from is gone
        try:
            return self.clips.keep(alert)
        except EvidenceError as error:
            self._log.warning("the clip of alert %s is not kept yet: %s", alert.alert_id, error)
            return False
