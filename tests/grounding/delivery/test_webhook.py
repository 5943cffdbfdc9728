import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.delivery.webhook import check_webhook, read_webhook
from streamer.address_policy import AddressPolicy
from streamer.errors import AddressRefusedError, EntityInvalidError

PUBLIC = AddressPolicy(loopback=False, private=False)
LOCAL = AddressPolicy(loopback=True, private=False)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://hooks.example", (b"https", b"hooks.example", 443, b"/", "hooks.example")),
        (
            "http://Hooks.Example:8080/a b?c=d#e",
            (b"http", b"hooks.example", 8080, b"/a%20b?c=d", "hooks.example:8080"),
        ),
        ("https://h:443/x", (b"https", b"h", 443, b"/x", "h")),
        (
            "https://bücher.example/près",
            (b"https", b"xn--bcher-kva.example", 443, b"/pr%C3%A8s", "xn--bcher-kva.example"),
        ),
        ("http://[::1]:81/", (b"http", b"::1", 81, b"/", "[::1]:81")),
    ],
)
def test_an_address_is_taken_apart(url: str, parts: tuple[object, ...]) -> None:
    webhook = read_webhook(url)
    assert (webhook.scheme, webhook.host, webhook.port, webhook.target, webhook.shown) == parts


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "web server"),
        ("hooks.example/hook", "web server"),
        ("ftp://hooks.example/", "web server"),
        ("file:///etc/passwd", "web server"),
        ("https:///hook", "web server"),
        ("https://user:word@hooks.example/", "user or a password"),
        ("https://user@hooks.example/", "user or a password"),
        ("https://@@hooks.example/", "user or a password"),
        ("https://hooks.example:0/", "port 0"),
        ("https://hooks.example:70000/", "port 70000"),
        ("https://hooks.example:port/", "no address"),
        ("https://user:word/x@hooks.example/", "no address"),
        ("https://[::1/", "no address"),
        ("https://hooks.example/\0", "no address"),
        ("https://hooks.example/\r\nHost: other", "no address"),
        ("https://hooks.example/" + "x" * 2048, "2048 characters"),
    ],
)
def test_what_is_no_webhook_is_explained_without_its_secrets(url: str, why: str) -> None:
    with pytest.raises(EntityInvalidError, match=why) as caught:
        check_webhook(url, LOCAL)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://2852039166/",
        "http://[fd00:ec2::254]/",
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://127。0。0。1/",
        "http://localhost:8080/v1/queries",
        "http://10.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://%31%32%37.0.0.1/",
    ],
)
def test_a_webhook_may_not_lead_inside(url: str) -> None:
    with pytest.raises(AddressRefusedError):
        check_webhook(url, PUBLIC)


def test_a_webhook_may_lead_where_the_policy_says() -> None:
    check_webhook("http://127.0.0.1:8080/hook", LOCAL)
    check_webhook("https://8.8.8.8/hook", PUBLIC)


def test_an_unknown_host_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_asked: object, **_wanted: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(EntityInvalidError, match=r"'hooks\.invalid' does not resolve"):
        check_webhook("https://hooks.invalid/", PUBLIC)


@given(st.text(), st.sampled_from(["", "http://", "https://", "https://h/"]))
def test_any_text_is_taken_apart_or_explained(text: str, beginning: str) -> None:
    try:
        webhook = read_webhook(beginning + text)
    except EntityInvalidError:
        return
    # What reaches the wire is printable ASCII: nobody smuggles a header in
    for part in (webhook.host, webhook.authority, webhook.target):
        assert all(32 < letter < 127 for letter in part)
