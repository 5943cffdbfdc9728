from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.client.address import parse_server
from deploy.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "url", "loopback"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", True),
        ("localhost:8080", "http://localhost:8080", True),
        ("http://[::1]:8080", "http://[::1]:8080", True),
        (" https://watch.example/west/ ", "https://watch.example/west", False),
        ("10.0.0.7", "http://10.0.0.7", False),
    ],
)
def test_a_server_as_people_type_it(typed: str, url: str, loopback: bool) -> None:
    address = parse_server(typed)
    assert (str(address), address.loopback) == (url, loopback)


@pytest.mark.parametrize(
    "typed", ["", "http://", "ftp://a", "http://a:port", "http://[", "http://a?b=c", "http://a#b"]
)
def test_what_is_no_server(typed: str) -> None:
    with pytest.raises(UsageError, match="--server"):
        parse_server(typed)


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match="--token-file") as refused:
        parse_server("http://anna:hunter2@host:1")
    assert "hunter2" not in str(refused.value)


@given(st.text())
def test_anything_typed_is_an_address_or_a_sentence(typed: str) -> None:
    with suppress(UsageError):
        assert parse_server(typed).url.startswith(("http://", "https://"))
