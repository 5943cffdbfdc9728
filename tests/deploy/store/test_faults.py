import sqlite3

import psycopg
import pytest
import sqlalchemy as sa

from deploy.errors import (
    StoreAccessError,
    StoreBrokenError,
    StoreBusyError,
    StoreDiskError,
    StoreError,
    StoreFullError,
    StoreLoginError,
    StoreMissingError,
    StoreUnreachableError,
    StoreUrlError,
)
from deploy.store.faults import faults_of, postgres_fault, sqlite_fault

NAME = "watchword at db"


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("08006", StoreUnreachableError, "cannot be reached: see that PostgreSQL runs"),
        ("25006", StoreAccessError, "name the primary"),
        ("25P03", StoreUnreachableError, "cannot be reached"),
        ("28P01", StoreLoginError, "correct the user and the password"),
        ("3D000", StoreMissingError, "createdb"),
        ("40001", StoreBusyError, "locked by another program"),
        ("40P01", StoreBusyError, "pg_stat_activity"),
        ("42501", StoreAccessError, "grant it the right"),
        ("53100", StoreFullError, "disk is full"),
        ("53200", StoreBusyError, "locked by another"),
        ("53300", StoreBusyError, "max_connections"),
        ("55P03", StoreBusyError, "locked by another"),
        ("57014", StoreBusyError, "locked by another"),
        ("57P01", StoreUnreachableError, "cannot be reached"),
        ("58030", StoreDiskError, "the disk fails"),
        ("XX001", StoreBrokenError, "restore a backup"),
    ],
)
def test_what_a_server_says_by_code(code: str, kind: type[StoreError], said: str) -> None:
    fault = postgres_fault(NAME, psycopg.errors.lookup(code)("first line\nsecond line"))
    assert type(fault) is kind
    assert str(fault).startswith(f"The database {NAME} ")
    assert said in str(fault)
    assert str(fault).endswith("(first line).")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ('FATAL:  password authentication failed for user "w"', StoreLoginError),
        ("fe_sendauth: no password supplied", StoreLoginError),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "w"', StoreLoginError),
        ('FATAL:  role "w" does not exist', StoreLoginError),
        ('FATAL:  permission denied for database "w"', StoreLoginError),
        ('FATAL:  database "w" does not exist', StoreMissingError),
        ("FATAL:  sorry, too many clients already", StoreBusyError),
        ("connection refused", StoreUnreachableError),
        ("FATAL:  the database system is starting up", StoreUnreachableError),
        ("FATAL:  Passwort-Authentifizierung ist fehlgeschlagen", StoreUnreachableError),
    ],
)
def test_a_connection_that_is_refused_has_words_alone(words: str, kind: type[StoreError]) -> None:
    fault = postgres_fault(NAME, psycopg.OperationalError(f"connection failed: {words}"))
    assert type(fault) is kind
    assert words in str(fault)


def test_an_option_of_the_address_that_there_is_not() -> None:
    error = psycopg.ProgrammingError('invalid connection option "colour"')
    assert isinstance(postgres_fault(NAME, error), StoreUrlError)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.UndefinedTable("no table"),
        psycopg.errors.NotNullViolation("null"),
        psycopg.ProgrammingError("wrong"),
        None,
    ],
)
def test_mistakes_of_ours_are_not_called_faults(error: BaseException | None) -> None:
    assert postgres_fault(NAME, error) is None
    assert sqlite_fault(NAME, error) is None


def test_no_user_info_of_an_address_is_repeated() -> None:
    error = psycopg.OperationalError("postgresql://watchword:hunter2@db/watchword: refused")
    assert "hunter2" not in str(postgres_fault(NAME, error))


def test_a_disk_that_fails_below_sqlite() -> None:
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
    assert isinstance(sqlite_fault("w.db", failure), StoreDiskError)


def test_all_connections_in_use() -> None:
    with pytest.raises(StoreBusyError, match="in use"), faults_of(NAME, lambda error: None):
        raise sa.exc.TimeoutError("QueuePool limit of size 5 overflow 10 reached")
