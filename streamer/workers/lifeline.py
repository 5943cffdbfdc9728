"""A worker process never outlives the server, whatever either of them hangs in."""

import fcntl
import os
import signal


def die_with_server(pipe: int) -> None:
    """Have the kernel kill this process once the other end of the pipe, the server's, is closed.

    Not PR_SET_PDEATHSIG, which speaks of the thread that started the process. A thread that waits
    for the end of the pipe would not do where FFmpeg hangs and keeps Python's lock.
    """
    if not hasattr(fcntl, "F_SETSIG"):
        return  # not Linux: the workbench notices when its orders end
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags | os.O_ASYNC)
