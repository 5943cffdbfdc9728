"""kafka-python's own log: it tells every failed try of every connection, as an error."""

import logging
import threading

from streamer.limited_log import LimitedLog

EVERY_SECONDS = 10.0  # of messages that are alike

_making = threading.Lock()


class _Relay(logging.Handler):
    """Passes warnings on, each kind seldom: what matters is raised, and logged by us."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._log = LimitedLog(logging.getLogger(__name__), EVERY_SECONDS)

    def emit(self, record: logging.LogRecord) -> None:
        """Says it as a warning: kafka-python tries again by itself."""
        self._log.warning("%s: %s", record.name, record.getMessage(), about=record.msg)


def limit_kafka_log() -> None:
    """Lets kafka-python say each thing every 10 s at most; once is enough."""
    logger = logging.getLogger("kafka")
    with _making:
        if not any(isinstance(handler, _Relay) for handler in logger.handlers):
            logger.addHandler(_Relay())
            logger.setLevel(logging.WARNING)
            logger.propagate = False
