"""Where this server may connect: addresses are judged after DNS, by the number dialled."""

import re
import socket
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Literal

from streamer.errors import AddressRefusedError, SourceUnknownHostError

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
Reach = Literal["public", "loopback", "private", "never"]

# What follows is IANA's registries of special addresses, written out: `ipaddress.is_private` and
# its like differ between patch releases of Python.
_NEVER = {
    "a cloud metadata address": (
        "169.254.169.254",
        "169.254.42.42",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:42::42",
        "fe80::a9fe:a9fe",
    ),
    "a link-local address": ("169.254.0.0/16", "fe80::/10"),
    "no address of any host": ("0.0.0.0/8", "::/128"),
    "a multicast address": ("224.0.0.0/4", "ff00::/8"),
    "a reserved address": (
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "2001::/23",  # holds Teredo, which would lead to an IPv4 address of its sender's choice
        "2001:db8::/32",
        "3fff::/20",
    ),
}
_LOOPBACK = ("127.0.0.0/8", "::1/128")
_PRIVATE = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "64:ff9b:1::/48",
    "fc00::/7",
    "fec0::/10",
)
_PUBLIC_IPV6 = ip_network("2000::/3")

_REACHES: tuple[tuple[IPNetwork, Reach, str], ...] = (
    *((ip_network(net), "never", kind) for kind, nets in _NEVER.items() for net in nets),
    *((ip_network(net), "loopback", "a loopback address") for net in _LOOPBACK),
    *((ip_network(net), "private", "a private address") for net in _PRIVATE),
)

# IPv6 ranges that stand for an IPv4 address, and how far it is from the right
_CARRIERS = tuple(
    (IPv6Network(network), shift)
    for network, shift in (
        ("::ffff:0:0/96", 0),  # IPv4-mapped
        ("::ffff:0:0:0/96", 0),  # IPv4-translated
        ("64:ff9b::/96", 0),  # NAT64
        ("::/96", 0),  # IPv4-compatible; after :: and ::1, which are addresses of their own
        ("2002::/16", 80),  # 6to4
    )
)
_OWN_IPV6 = (IPv6Address("::"), IPv6Address("::1"))

# A label may be of any script, but nothing that another parser would take for a separator
_NO_HOST = re.compile(r"[\s\x00-\x1f\x7f/\\@?#%\[\]]")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What besides public addresses may be connected to.

    `allowed` holds networks ("192.168.7.0/24") or addresses that may be reached although they are
    private or loopback. Link-local, metadata, multicast and reserved addresses never may.
    Raises ValueError for an entry of `allowed` that is neither.
    """

    loopback: bool
    private: bool
    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for network in self.allowed:
            ip_network(network)

    def permits(self, address: IPAddress) -> bool:
        """Whether the address, none that stands for another, may be connected to."""
        reach, _ = _reach(address)
        if reach == "never":
            return False
        return (
            reach == "public"
            or (reach == "loopback" and self.loopback)
            or (reach == "private" and self.private)
            or any(address in ip_network(network) for network in self.allowed)
        )


def permitted(address: str, policy: AddressPolicy) -> None:
    """Let an IP address pass.

    Raises:
        AddressRefusedError: the policy forbids it, or it is no IP address.
    """
    _let_pass(address, policy, f"'{address}' is")


def resolve(host: str, port: int | None, policy: AddressPolicy) -> tuple[str, ...]:
    """The addresses of a host, all of them permitted, in the order they should be tried.

    Connect to one of these: a second look-up may find others. `host` is a name or an address as
    it stands in a URL, in brackets or not; forms such as 0x7f.1 are read as the system reads them.

    Raises:
        AddressRefusedError: one of its addresses is forbidden, or it is no host name.
        SourceUnknownHostError: it does not resolve.
    """
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not name or _NO_HOST.search(name):
        raise AddressRefusedError(f"{host!r} is no host name: give a name or an IP address alone.")
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label too long, or of no letters
        raise SourceUnknownHostError(
            f"The host '{name}' does not resolve: check its spelling and the name server."
        ) from error
    addresses = tuple(dict.fromkeys(str(answer[4][0]) for answer in found))
    if not addresses:
        raise SourceUnknownHostError(f"The host '{name}' has no address.")
    for address in addresses:
        subject = f"'{name}' is" if address == name else f"'{name}' leads to {address},"
        _let_pass(address, policy, subject)
    return addresses


def _let_pass(text: str, policy: AddressPolicy, subject: str) -> None:
    try:
        address = _meant(ip_address(text))
    except ValueError as error:
        raise AddressRefusedError(f"'{text}' is no IP address.") from error
    if policy.permits(address):
        return
    reach, kind = _reach(address)
    fix = (
        "this server never connects there."
        if reach == "never"
        else "allow its network in the server's configuration if that is meant."
    )
    raise AddressRefusedError(f"{subject} {kind}: {fix}")


def _meant(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 address stands for, or itself."""
    if isinstance(address, IPv4Address):
        return address
    plain = IPv6Address(int(address))  # without a zone: no network would hold it
    if plain not in _OWN_IPV6:
        for network, shift in _CARRIERS:
            if plain in network:
                return IPv4Address(int(plain) >> shift & 0xFFFFFFFF)
    return plain


def _reach(address: IPAddress) -> tuple[Reach, str]:
    for network, reach, kind in _REACHES:
        if address in network:
            return reach, kind
    if isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return "never", "a reserved address"
    return "public", "a public address"
