"""Cameras read in processes of their own, which are watched and, as the last step, killed.

FFmpeg's timeouts cannot be trusted, and a decoder may crash: neither may harm the server, nor any
other camera for long. `pool.py` keeps the processes, `remote.py` is a camera's reading seen from
the server; `workbench.py` and `bench_seat.py` are what goes on in a process.
"""
