"""A worker process: `python -m streamer.workers SOCKET`, started by the server alone."""

import signal
import socket
import sys

from streamer.workers.lifeline import die_with_server
from streamer.workers.workbench import Workbench


def main() -> None:
    """Read cameras as ordered on the socket, until it is closed."""
    die_with_server(sys.stdin.fileno())
    # Ctrl-C and a service manager's SIGTERM reach every process: the server alone says when to end
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Workbench(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
