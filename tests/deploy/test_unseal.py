"""A process that reads cameras opens what the api part sealed, with a copy of its key."""

from pathlib import Path

import pytest

from deploy.errors import KeyFileError
from deploy.unseal import Unsealer
from deploy.vault import Vault
from streamer.errors import SourceAccessError


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "secret.key"


def test_what_was_sealed_with_the_key_is_opened(key_file: Path):
    sealed = Vault.open(key_file).seal("guard:secret")
    assert Unsealer(key_file)(sealed) == "guard:secret"


def test_a_key_is_waited_for_and_never_made(key_file: Path, tmp_path: Path):
    sealed = Vault.open(tmp_path / "elsewhere.key").seal("guard:secret")
    unseal = Unsealer(key_file)
    with pytest.raises(SourceAccessError, match=r"no key file .*secret\.key here: let secrets"):
        unseal(sealed)
    assert not key_file.exists()
    (tmp_path / "elsewhere.key").rename(key_file)
    assert unseal(sealed) == "guard:secret"


def test_another_key_is_a_fault_of_the_camera(key_file: Path, tmp_path: Path):
    sealed = Vault.open(tmp_path / "elsewhere.key").seal("guard:secret")
    Vault.open(key_file)
    with pytest.raises(SourceAccessError, match="not sealed with the key"):
        Unsealer(key_file)(sealed)


def test_a_key_that_others_may_read_is_refused_at_the_start(key_file: Path):
    Vault.open(key_file)
    key_file.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        Unsealer(key_file)


def test_a_key_that_comes_later_is_looked_at_too(key_file: Path):
    unseal = Unsealer(key_file)
    key_file.write_text("no key")
    key_file.chmod(0o600)
    with pytest.raises(SourceAccessError, match="holds no key"):
        unseal("sealed")
