import errno
from pathlib import Path

import pytest

from tests.small_disk import small_disk


def test_a_full_disk_takes_nothing_until_it_is_freed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        disk.fill()
        with pytest.raises(OSError, match="space") as told:
            (disk.folder / "more").write_bytes(b"x" * 4096)
        assert told.value.errno == errno.ENOSPC
        disk.free()
        (disk.folder / "more").write_bytes(b"x" * 4096)
    assert not list(disk.folder.iterdir())
