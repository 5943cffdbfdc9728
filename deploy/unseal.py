"""Credentials of cameras that an api part sealed, opened where cameras are read."""

from pathlib import Path

from deploy.errors import VaultError
from deploy.vault import Vault
from streamer.errors import SourceAccessError


class Unsealer:
    """Opens what was sealed with the key of a file, which it never makes itself.

    Raises KeyFileError if there is a key file that cannot be used.
    """

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._vault = Vault.open(key_file) if key_file.exists() else None

    def __call__(self, sealed: str) -> str:
        """The text that was sealed.

        Raises:
            SourceAccessError: there is no key yet, or it is another one.
        """
        try:
            return self._opened().unseal(sealed)
        except VaultError as error:
            raise SourceAccessError(str(error)) from error

    def _opened(self) -> Vault:
        if self._vault is None:
            if not self._key_file.exists():
                raise SourceAccessError(
                    "The camera's credentials are sealed, and there is no key file "
                    f"{self._key_file} here: let secrets.key_file name a copy of the api part's."
                )
            self._vault = Vault.open(self._key_file)
        return self._vault
