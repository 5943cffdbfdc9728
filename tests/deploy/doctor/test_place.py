import os
import socket
from pathlib import Path

import pytest

from deploy.doctor.place import (
    check_clock,
    check_disk,
    check_file_limit,
    check_folder,
    check_key,
    check_port,
    check_time_zones,
)

needs_a_plain_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


def test_a_folder_that_can_be_written(tmp_path: Path):
    assert check_folder(tmp_path).status == "ok"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_made_yet(tmp_path: Path):
    check = check_folder(tmp_path / "a" / "b")
    assert (check.status, check.found) == ("ok", f"{tmp_path}/a/b: is made at the first start")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file(tmp_path: Path):
    (tmp_path / "data").touch()
    assert check_folder(tmp_path / "data").status == "fail"
    assert check_folder(tmp_path / "data" / "inner").status == "fail"


@needs_a_plain_user
def test_a_folder_that_cannot_be_written(tmp_path: Path):
    tmp_path.chmod(0o500)
    assert check_folder(tmp_path).status == "fail"
    assert check_folder(tmp_path / "inner").status == "fail"
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(("free", "status"), [(1e6, "fail"), (1e9, "warn"), (1e10, "ok")])
def test_disk(tmp_path: Path, free: float, status: str):
    assert check_disk(tmp_path / "not" / "yet", free).status == status


def test_this_disk(tmp_path: Path):
    assert f"GB free below {tmp_path}" in check_disk(tmp_path).found


def test_key(tmp_path: Path):
    key = tmp_path / "secret.key"
    assert check_key(key).found.endswith("is made at the first start")
    key.touch(mode=0o600)
    assert check_key(key).status == "ok"
    key.chmod(0o640)
    assert (check_key(key).status, check_key(key).fix) == ("fail", f"chmod 600 {key}")
    assert check_key(key / "x").status == "fail"


def test_a_free_port():
    assert check_port("127.0.0.1", 0).status == "ok"


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check = check_port("127.0.0.1", taken.getsockname()[1])
    assert check.status == "warn"  # perhaps by the server itself
    assert "server.port" in check.fix


def test_an_address_of_another_machine():
    check = check_port("192.0.2.1", 8080)
    assert (check.status, check.fix) == ("fail", "set server.host")


@pytest.mark.parametrize(("limit", "status"), [(256, "warn"), (1024, "ok")])
def test_open_files(limit: int, status: str):
    assert check_file_limit(limit).status == status


def test_open_files_here():
    assert check_file_limit().name == "open files"


def test_clock():
    assert check_clock(0.0).status == "fail"
    assert check_clock(0.0).found.startswith("1970-01-01 00:00:00Z")
    assert check_clock().status == "ok"


def test_time_zones():
    assert check_time_zones("UTC").status == "ok"
    assert check_time_zones("Nowhere/Town").status == "warn"
