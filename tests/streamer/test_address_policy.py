import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamer.address_policy import AddressPolicy, permitted, resolve
from streamer.errors import AddressRefusedError, SourceUnknownHostError

PUBLIC = AddressPolicy(loopback=False, private=False)
CAMERAS = AddressPolicy(loopback=False, private=True)
LOCAL = AddressPolicy(loopback=True, private=True)
EVERYTHING = AddressPolicy(loopback=True, private=True, allowed=("0.0.0.0/0", "::/0"))

METADATA = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"]
NEVER = [
    *METADATA,
    "0.0.0.0",
    "0.1.2.3",
    "169.254.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "203.0.113.7",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "2001:db8::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "4000::1",
]
PRIVATE = ["10.0.0.1", "172.31.255.255", "192.168.1.2", "100.64.0.1", "198.18.0.1", "fc00::1"]
LOOPBACK = ["127.0.0.1", "127.255.255.254", "::1"]
OPEN = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111"]

ipv4 = st.ip_addresses(v=4)
CARRIERS: list[Callable[[int], int]] = [
    lambda v4: 0xFFFF << 32 | v4,
    lambda v4: 0xFFFF << 48 | v4,
    lambda v4: 0x64FF9B << 96 | v4,
    lambda v4: 0x2002 << 112 | v4 << 80 | 1,
]


def passes(address: str, policy: AddressPolicy) -> bool:
    try:
        permitted(address, policy)
    except AddressRefusedError:
        return False
    return True


def answer_with(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """The resolver answers every question with the addresses; the questions are returned."""
    asked: list[str] = []

    def answer(host: str, port: int | None, **_wanted: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(None, None, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_refused_whatever_is_allowed(address: str) -> None:
    with pytest.raises(AddressRefusedError, match="never connects there"):
        permitted(address, EVERYTHING)


@pytest.mark.parametrize("address", OPEN)
def test_public_addresses_pass(address: str) -> None:
    permitted(address, PUBLIC)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_pass_where_they_may(address: str) -> None:
    permitted(address, CAMERAS)
    with pytest.raises(AddressRefusedError, match="private address: allow its network"):
        permitted(address, PUBLIC)


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_passes_where_it_may(address: str) -> None:
    permitted(address, LOCAL)
    with pytest.raises(AddressRefusedError, match="loopback address: allow its network"):
        permitted(address, CAMERAS)


def test_an_allowed_network_passes_and_its_neighbour_does_not() -> None:
    policy = AddressPolicy(False, False, allowed=("192.168.7.0/24", "127.0.0.2", "fd12::/16"))
    permitted("192.168.7.9", policy)
    permitted("127.0.0.2", policy)
    permitted("fd12::1", policy)
    permitted("::ffff:192.168.7.9", policy)
    for address in ("192.168.8.9", "127.0.0.1", "fd13::1"):
        assert not passes(address, policy)


def test_an_allowed_network_must_be_one() -> None:
    with pytest.raises(ValueError, match="office"):
        AddressPolicy(False, False, allowed=("office",))


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.0.0.1", "[::1]", "8.8.8.8/32"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressRefusedError, match="no IP address"):
        permitted(text, EVERYTHING)


@given(st.ip_addresses())
def test_a_wider_policy_never_refuses_more(address: IPv4Address | IPv6Address) -> None:
    verdicts = [passes(str(address), policy) for policy in (PUBLIC, CAMERAS, LOCAL, EVERYTHING)]
    assert verdicts == sorted(verdicts)


@given(st.ip_addresses())
def test_only_globally_routed_addresses_pass_as_public(address: IPv4Address | IPv6Address) -> None:
    assume(passes(str(address), PUBLIC))
    # Python's own opinion, where it is at least as strict; carriers are judged by their cargo
    embedded = isinstance(address, IPv6Address) and (address.sixtofour or int(address) >> 64 == 0)
    assert embedded or address.is_global


@given(ipv4, st.sampled_from(CARRIERS), st.sampled_from([PUBLIC, CAMERAS, LOCAL, EVERYTHING]))
def test_an_address_inside_another_is_judged_as_itself(
    address: IPv4Address, carry: Callable[[int], int], policy: AddressPolicy
) -> None:
    carrier = IPv6Address(carry(int(address)))
    assert passes(str(carrier), policy) == passes(str(address), policy)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.01",
        "::1",
        "[::1]",
        "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
        "[::ffff:7f00:1]",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
        "localhost",
        "LOCALHOST",
        "127。0。0。1",
        "\uff11\uff12\uff17.0.0.1",
        "ⓛocalhost",
    ],
)
def test_every_way_to_write_loopback_is_seen_through(host: str) -> None:
    with pytest.raises(AddressRefusedError, match="loopback"):
        resolve(host, 80, CAMERAS)


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.254.43518"])
def test_every_way_to_write_the_metadata_address_is_seen_through(host: str) -> None:
    with pytest.raises(AddressRefusedError, match="metadata"):
        resolve(host, 80, EVERYTHING)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "[]",
        "user@host",
        "user:word@127.0.0.1",
        "host/path",
        "host\\@x",
        "127.0.0.1%00",
        "127.0.0.1\n",
        "fe80::1%eth0",
        "a\0b",
    ],
)
def test_what_is_more_than_a_host_is_refused_unasked(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer_with(monkeypatch, "8.8.8.8")
    with pytest.raises(AddressRefusedError, match="no host name"):
        resolve(host, 80, PUBLIC)
    assert not asked


def test_every_address_of_a_host_must_be_permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(AddressRefusedError, match=r"'hooks.example' leads to 10\.0\.0\.1"):
        resolve("hooks.example", 443, PUBLIC)


def test_addresses_come_in_the_resolvers_order_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer_with(monkeypatch, "2606:4700::1111", "8.8.8.8", "8.8.8.8")
    assert resolve("hooks.example.", 443, PUBLIC) == ("2606:4700::1111", "8.8.8.8")
    assert asked == ["hooks.example."]


def test_a_host_without_an_address_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch)
    with pytest.raises(SourceUnknownHostError, match="no address"):
        resolve("empty.example", 443, PUBLIC)


@pytest.mark.parametrize("host", ["nowhere.invalid", "x" * 64 + ".example", "a..b"])
def test_a_host_that_does_not_resolve_is_unknown(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(host: str, _port: int, **_wanted: object) -> list[object]:
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceUnknownHostError, match="does not resolve"):
        resolve(host, 80, PUBLIC)


@given(st.text(max_size=20))
def test_any_text_is_resolved_or_explained(host: str) -> None:
    def answer(name: str, port: int | None, **_wanted: object) -> list[tuple[object, ...]]:
        name.encode("idna")
        return [(None, None, 0, "", ("8.8.8.8", port))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", answer)
        try:
            assert resolve(host, 80, PUBLIC) == ("8.8.8.8",)
        except (AddressRefusedError, SourceUnknownHostError):
            return
