"""What doctor says of the store; it makes and changes nothing there."""

from pathlib import Path

import pytest

from deploy.doctor.database import check_store
from tests.postgres_server import PostgresServer


def test_a_file_is_for_one_process(tmp_path: Path):
    check = check_store(f"sqlite:///{tmp_path}/watchword.db", with_kafka=False)
    assert (check.status, check.found) == (
        "ok",
        f"SQLite, {tmp_path}/watchword.db: for one process",
    )
    assert not list(tmp_path.iterdir())


def test_with_kafka_it_is_said_what_several_need(tmp_path: Path):
    check = check_store(f"sqlite:///{tmp_path}/watchword.db", with_kafka=True)
    assert (check.status, check.found.endswith("several need PostgreSQL")) == ("ok", True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://root:secret@db/watch", "write sqlite:///"),
        ("postgresql://watch:pa@ss@db/watch", "write one that belongs to the password as %40"),
        ("postgresql://watch:secret@127.0.0.1:1/watch", "127.0.0.1:1"),
    ],
)
def test_a_database_that_cannot_be_used(url: str, said: str):
    check = check_store(url, with_kafka=True)
    assert check.status == "fail"
    assert said in f"{check.found}: {check.fix}"
    assert "secret" not in check.found + check.fix


def test_a_real_server_is_asked_and_left_as_it_is(postgres: PostgresServer):
    with postgres.database() as name:
        check = check_store(postgres.url(name), with_kafka=True)
        assert check.status == "ok"
        assert ", PostgreSQL " in check.found
        with postgres.connect(name) as connection:
            tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            assert connection.execute(tables).fetchone() == (0,)
