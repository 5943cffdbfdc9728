import errno
import os
from pathlib import Path

import pytest

from deploy.errors import StoreAccessError, StoreFullError, StoreInUseError
from deploy.store.file_lock import FileLock


def test_only_one_at_a_time(tmp_path: Path) -> None:
    database = tmp_path / "watchword.db"
    first = FileLock(database)
    with pytest.raises(StoreInUseError, match=rf"{database} is in use.*process {os.getpid()}"):
        FileLock(database)
    first.release()
    first.release()
    FileLock(database).release()


def test_folders_are_made_and_files_are_their_owners(tmp_path: Path) -> None:
    database = tmp_path / "a" / "b" / "watchword.db"
    FileLock(database).release()
    for file in (database, database.with_name("watchword.db.lock")):
        assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("number", "fault", "said"),
    [
        (errno.EROFS, StoreAccessError, "Read-only file system"),
        (errno.EACCES, StoreAccessError, "Permission denied"),
        (errno.ENOSPC, StoreFullError, "the disk is full"),
    ],
)
def test_where_nothing_can_be_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    fault: type[Exception],
    said: str,
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(fault, match=said) as caught:
        FileLock(tmp_path / "watchword.db")
    assert str(tmp_path / "watchword.db") in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreAccessError, match="Permission denied"):
        FileLock(tmp_path / "watchword.db")


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "watchword.db").mkdir()
    with pytest.raises(StoreAccessError, match=r"store\.url"):
        FileLock(tmp_path / "watchword.db")
    (tmp_path / "watchword.db").rmdir()
    FileLock(tmp_path / "watchword.db").release()  # the failure kept no lock
