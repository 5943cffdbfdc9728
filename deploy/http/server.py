"""The HTTP server: a socket that is bound before anything else starts, and uvicorn behind it."""

import errno
import socket
import threading

import uvicorn
from fastapi import FastAPI

from deploy.errors import PortError

_BACKLOG = 2048  # subscribers that come back all at once after a restart
_UNREAD_MILLISECONDS = 30_000


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises PortError, with a sentence, when the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A peer that never reads: uvicorn cannot abort its connection, the kernel can
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortError(_sentence(host, port, error)) from error
    listener.listen(_BACKLOG)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a bound socket answers."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _sentence(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} of {host} is in use, perhaps by another `watchword serve`: end that "
                "one, or set server.port"
            )
        case errno.EACCES:
            return f"port {port} needs the rights of root: set server.port to one above 1023"
        case _:
            return f"{host}:{port} cannot be listened at ({error.strerror}): set server.host"


class HttpServer:
    """Serves an app on a bound socket."""

    def __init__(self, app: FastAPI, listener: socket.socket, drain_seconds: float) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=max(1, round(drain_seconds)),
        )
        self._server = uvicorn.Server(config)
        self._listener = listener

    def run(self, stop: threading.Event) -> None:
        """Blocks until `stop` is set and the requests then under way have been answered."""
        waiting = threading.Thread(target=self._end_with, args=(stop,), name="http-stop")
        waiting.start()
        try:
            self._server.run(sockets=[self._listener])
        finally:
            stop.set()
            waiting.join()

    def _end_with(self, stop: threading.Event) -> None:
        stop.wait()
        self._server.should_exit = True
