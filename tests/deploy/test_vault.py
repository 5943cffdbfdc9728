from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import KeyFileError, SealError
from deploy.vault import Vault


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    return Vault.open(tmp_path_factory.mktemp("vault") / "key")


@given(st.text())
def test_what_was_sealed_is_unsealed(vault: Vault, text: str) -> None:
    sealed = vault.seal(text)
    assert vault.unseal(sealed) == text
    assert sealed.isascii()


def test_a_sealed_text_says_nothing_and_is_new_each_time(vault: Vault) -> None:
    first, second = vault.seal("admin:hunter2"), vault.seal("admin:hunter2")
    assert "hunter2" not in first
    assert first != second


def test_the_key_file_is_made_for_its_owner_and_kept(tmp_path: Path) -> None:
    key_file = tmp_path / "secrets" / "key"
    sealed = Vault.open(key_file).seal("x")
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert list(key_file.parent.iterdir()) == [key_file]
    assert Vault.open(key_file).unseal(sealed) == "x"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    key_file = tmp_path / "key"
    Vault.open(key_file)
    key_file.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {key_file}"):
        Vault.open(key_file)


@pytest.mark.parametrize("content", ["", "not a key", "QUJD"])
def test_a_key_file_without_a_key(tmp_path: Path, content: str) -> None:
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text(content)
    with pytest.raises(KeyFileError, match="holds no key"):
        Vault.open(key_file)


def test_a_key_file_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyFileError, match=r"secrets\.key_file"):
        Vault.open(tmp_path / "file" / "key")
    (tmp_path / "folder").mkdir(0o700)
    with pytest.raises(KeyFileError, match=r"secrets\.key_file"):
        Vault.open(tmp_path / "folder")


def test_another_key_opens_nothing(vault: Vault, tmp_path: Path) -> None:
    sealed = Vault.open(tmp_path / "key").seal("admin:hunter2")
    with pytest.raises(SealError, match="restore the key file") as caught:
        vault.unseal(sealed)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SealError):
        vault.unseal("")


def test_a_vault_does_not_print_its_key(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    assert repr(Vault.open(key_file)) == f"Vault({str(key_file)!r})"
