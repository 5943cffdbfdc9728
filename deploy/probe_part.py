"""What a process without the api part answers over HTTP, as long as its parts live."""

import threading

from deploy.http.server import HttpServer


class ProbePart:
    """Serves health and metrics; it feeds nobody and is fed by nobody."""

    name = "probes"
    ready = True

    def __init__(self, http: HttpServer) -> None:
        self._http = http

    def run(self, stop: threading.Event) -> None:
        """Blocks until `stop` is set."""
        self._http.run(stop)
