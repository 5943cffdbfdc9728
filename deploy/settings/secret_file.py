"""Secrets that stand in files of their own: `token_file` instead of `token`."""

from pathlib import Path
from typing import Any

from deploy.settings.known import KeyPath, spelled

LONGEST_SECRET = 64 * 1024  # bytes; a larger file is another one
_KEYS = {("server",): "token", ("store",): "url", ("kafka",): "password"}


def read_secret_files(values: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    """Put the secret beside the key of its file; returns what is wrong, by path.

    A secret given in place of a file takes the file's key away, so that of two layers of
    configuration the later one holds whichever way it is given.
    """
    problems: list[tuple[KeyPath, str]] = []
    for section, key in _KEYS.items():
        problems += _read(values.get(section[0]), section, key)
    server = values.get("server")
    tokens = server.get("tokens") if isinstance(server, dict) else None
    for index, token in enumerate(tokens if isinstance(tokens, list) else []):
        problems += _read(token, ("server", "tokens", index), "token")
    return problems


def _read(section: Any, above: KeyPath, key: str) -> list[tuple[KeyPath, str]]:
    if not isinstance(section, dict):
        return []
    name, path = f"{key}_file", (*above, f"{key}_file")
    if section.get(name) is None:
        if section.get(key):
            section[name] = None
        return []
    if section.get(key):
        return [(path, f"stands beside {spelled((*above, key))}: keep one of them")]
    try:
        content = Path(str(section[name])).expanduser().read_bytes()
        if len(content) > LONGEST_SECRET:
            return [(path, f"has {len(content)} bytes, no secret is that long")]
        section[key] = content.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        return [(path, f"cannot be read: {error.strerror}")]
    except (ValueError, RuntimeError):  # no UTF-8, or a path that none can be
        return [(path, "leads to no text in UTF-8")]
    return [] if section[key] else [(path, "is empty")]
