"""Secrets at rest: sealed with a key that lies in a file of its own, beside no database."""

import os
import stat
from pathlib import Path
from uuid import uuid4

from cryptography.fernet import Fernet, InvalidToken

from deploy.errors import KeyFileError, SealError


class Vault:
    """Seals short texts (Fernet: AES-128-CBC with HMAC-SHA256), each time differently."""

    def __init__(self, key: bytes, key_file: Path) -> None:
        self.key_file = key_file
        self._fernet = Fernet(key)

    def __repr__(self) -> str:
        return f"Vault({str(self.key_file)!r})"

    @classmethod
    def open(cls, key_file: Path) -> "Vault":
        """The vault of a key file, which is made, for its owner alone, if there is none.

        Raises:
            KeyFileError: it cannot be made or read, holds no key, or others may read it.
        """
        try:
            if not key_file.exists():
                _make_key(key_file)
            _check_private(key_file)
            key = key_file.read_bytes().strip()
        except OSError as error:
            raise KeyFileError(
                f"The key file {key_file} cannot be made or read ({error.strerror}): set "
                "secrets.key_file to a file in a folder this user may write."
            ) from error
        try:
            return cls(key, key_file)
        except ValueError as error:
            raise KeyFileError(
                f"The key file {key_file} holds no key: restore it from a backup, or remove it "
                "to begin with a new one and enter every secret again."
            ) from error

    def seal(self, text: str) -> str:
        """The text, encrypted; only this key opens it again."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def unseal(self, text: str) -> str:
        """The text that was sealed.

        Raises:
            SealError: it was sealed with another key, or damaged.
        """
        try:
            return self._fernet.decrypt(text).decode()
        except InvalidToken:
            raise SealError(
                f"A stored secret was not sealed with the key in {self.key_file}: restore the "
                "key file it was sealed with, or enter the secret again."
            ) from None  # the cause says nothing more


def _make_key(key_file: Path) -> None:
    key_file.parent.mkdir(parents=True, exist_ok=True)
    draft = key_file.with_name(f".{key_file.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # A whole key or none, whenever the process dies; of two that make one, the first wins
        os.link(draft, key_file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _check_private(key_file: Path) -> None:
    mode = stat.S_IMODE(key_file.stat().st_mode)
    if mode & 0o077:
        raise KeyFileError(
            f"The key file {key_file} may be read by others (mode {mode:04o}): "
            f"run `chmod 600 {key_file}`."
        )
