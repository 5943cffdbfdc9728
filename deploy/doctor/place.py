"""Where the server would live: its folder, its key, its port, and the limits of its process."""

import errno
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deploy.doctor.check import Check, fail, ok, warn
from deploy.errors import PortError
from deploy.http.server import bind

GIGABYTE = 1e9
LEAST_DISK = 0.2 * GIGABYTE
ENOUGH_DISK = 5 * GIGABYTE
ENOUGH_FILES = 1024  # each camera takes some, each follower of alerts one
EARLIEST = 1735689600.0  # 2025: before this version was made


def check_folder(folder: Path) -> Check:
    """The data folder can be written, or made."""
    name, fix = "data folder", "give its user the folder (chown), or set data_folder to another"
    if folder.exists() and not folder.is_dir():
        return fail(name, f"{folder} is a file", "set data_folder to a folder, or remove the file")
    if not folder.exists():
        above = _existing(folder)
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            return ok(name, f"{folder}: is made at the first start")
        return fail(name, f"{folder} cannot be made in {above}", fix)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ok(name, f"{folder}: can be written")
    except OSError as error:
        return fail(name, f"{folder} cannot be written: {error.strerror}", fix)


def check_disk(folder: Path, free: float | None = None) -> Check:
    """The room left where the data folder is."""
    if free is None:
        free = float(shutil.disk_usage(_existing(folder)).free)
    found = f"{free / GIGABYTE:.1f} GB free below {_existing(folder)}"
    fix = "make room, lower store.keep_days, or set data_folder to another disk"
    if free < LEAST_DISK:
        return fail("disk", found, fix)
    return ok("disk", found) if free >= ENOUGH_DISK else warn("disk", found, fix)


def check_key(key_file: Path) -> Check:
    """The key is nobody else's to read."""
    try:
        mode = stat.S_IMODE(key_file.stat().st_mode)
    except FileNotFoundError:
        return ok("key file", f"{key_file}: is made at the first start")
    except OSError as error:
        return fail("key file", f"{key_file}: {error.strerror}", "set secrets.key_file to another")
    if mode & 0o077:
        return fail("key file", f"{key_file} can be read by others", f"chmod 600 {key_file}")
    return ok("key file", f"{key_file}: nobody else can read it")


def check_port(host: str, port: int) -> Check:
    """The address can be listened at."""
    try:
        bind(host, port).close()
    except PortError as error:
        in_use = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE
        found, _, fix = str(error).rpartition(": ")
        return (warn if in_use else fail)("port", found, fix)
    return ok("port", f"{port} of {host} is free" if port else f"any free one of {host}")


def check_file_limit(soft: int | None = None) -> Check:
    """How many files and connections the process may have open."""
    if soft is None:
        soft = _file_limit()
    if soft is None:
        return ok("open files", "not limited")
    if soft < ENOUGH_FILES:
        return warn("open files", f"at most {soft}", f"ulimit -n {4 * ENOUGH_FILES} before serve")
    return ok("open files", f"at most {soft}")


def check_clock(now: float | None = None) -> Check:
    """The wall clock, which stamps every clip of a live camera."""
    now = time.time() if now is None else now
    shown = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))
    if now < EARLIEST:
        return fail("clock", f"{shown} lies in the past", "set it: timedatectl set-ntp true")
    return ok("clock", shown)


def check_time_zones(name: str = "Europe/Berlin") -> Check:
    """Schedules of queries name zones."""
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return warn("time zones", "none are here: schedules know UTC only", "pip install tzdata")
    return ok("time zones", "are installed")


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(one for one in (path, *path.parents) if one.exists())


def _file_limit() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
