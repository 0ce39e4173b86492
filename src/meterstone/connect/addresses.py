"""Which addresses a call to the outside may dial, and why not.

``ipaddress.is_global`` is not enough: it holds 64:ff9b::a00:1 (NAT64 of 10.0.0.1), 2002:a00:1::
(6to4 of 10.0.0.1), 224.0.0.1 and the host of an Azure machine (168.63.129.16) for global. So IPv4
is refused by the register of special addresses, and of IPv6 only 2000::/3, the part that is given
out, is taken, less what in it is special or carries an IPv4 address.

Sources: IANA, IPv4 and IPv6 Special-Purpose Address Registries; RFC 6052, 3056, 4380, 5214.
"""

from __future__ import annotations

import socket
from contextlib import closing
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_GIVEN_OUT = IPv6Network("2000::/3")

_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(text), why)
    for text, why in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a shared address of a carrier (CGNAT)"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "the host of an Azure machine"),
        ("169.254.0.0/16", "a link-local address, where clouds keep their metadata"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "an address reserved for protocols"),
        ("192.0.2.0/24", "an address for documentation"),
        ("192.88.99.0/24", "a relay of 6to4"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "an address for benchmarks"),
        ("198.51.100.0/24", "an address for documentation"),
        ("203.0.113.0/24", "an address for documentation"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::ffff:0:0/96", "an IPv6 address that carries an IPv4 address (mapped)"),
        ("::/96", "an IPv6 address that carries an IPv4 address (compatible)"),
        ("64:ff9b::/96", "an IPv6 address that carries an IPv4 address (NAT64)"),
        ("64:ff9b:1::/48", "an IPv6 address that carries an IPv4 address (NAT64)"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a private address"),
        ("ff00::/8", "a multicast address"),
        ("2001::/32", "an IPv6 address that carries an IPv4 address (Teredo)"),
        ("2001::/23", "an address reserved for protocols"),
        ("2001:db8::/32", "an address for documentation"),
        ("2002::/16", "an IPv6 address that carries an IPv4 address (6to4)"),
        ("3fff::/20", "an address for documentation"),
    )
)
"""Networks that are never dialled; the first that holds the address names the reason."""

_ISATAP = (0x00005EFE, 0x02005EFE)


def why_not(address: Address) -> str:
    """What an address is that may not be dialled, as ``a private address``; empty when it may."""
    for network, why in _SPECIAL:
        if address.version == network.version and address in network:
            return why
    if isinstance(address, IPv6Address):
        if address not in _GIVEN_OUT:
            return "a reserved address"
        if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
            return "an IPv6 address that carries an IPv4 address (ISATAP)"
    return ""


def is_own(address: Address) -> bool:
    """Does an interface of this machine have the address? Only then can it be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a name, in the order in which the system would try them.

    Raises:
        OSError: the name is not known, or nobody answered.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(info[4][0]) for info in found))
