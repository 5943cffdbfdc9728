"""How many files a process may have open at once."""


def allow_open_files() -> int:
    """Raise this process's limit as far as it may be raised; returns it."""
    import resource  # there is none on Windows, where nothing here needs it

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, 1 << 16)  # some systems refuse to set an infinite one
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
