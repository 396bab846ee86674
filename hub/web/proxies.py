"""What proxies in front say about a request, believed only from those that are trusted.

Anybody can send `X-Forwarded-For`. It is read where the connection itself comes from an address in
`HUB_TRUSTED_PROXIES`, and then from its right end on, which the nearest proxy wrote: each address
that is trusted vouches for the one to its left, and the first that is not is the client. What
stands further left is the client's own invention. An entry that is not an address ends the walk.

A trusted proxy must set each of the headers that it is asked for, or a client's own pass through it
(`docs/proxies.md` has the lines).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from hub.address import BASE_PATH, Network

_PAIR = re.compile(r"\s*([A-Za-z]+)=(?:\"([^\"\\]*)\"|([^\s\";,=]*))\s*")


class Forwarded(NamedTuple):
    """The client's address; scheme, host and prefix are empty where no proxy told them."""

    address: str
    scheme: str = ""
    host: str = ""
    prefix: str = ""


class TrustedProxies:
    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)
        self._is_trusted = lru_cache(4096)(self._look_up)

    def trusts(self, address: str) -> bool:
        return bool(self._networks) and self._is_trusted(address)

    def forwarded(self, peer: str, headers: Mapping[str, str]) -> Forwarded:
        """What is known of the request that `peer`, the socket's other end, handed over."""
        if not self.trusts(peer):
            return Forwarded(peer)
        told = _told(headers)
        address, hops = self._client(peer, told.get("for", ()))
        scheme = _of_hop(told.get("proto", ()), hops).lower()
        prefix = _of_hop(told.get("prefix", ()), hops).rstrip("/")
        return Forwarded(
            address,
            scheme if scheme in ("http", "https") else "",
            _of_hop(told.get("host", ()), hops),
            prefix if BASE_PATH.fullmatch(prefix) else "",
        )

    def _client(self, peer: str, chain: Sequence[str]) -> tuple[str, int]:
        """The client's address, and how many trusted proxies stand between it and the hub."""
        address, hops = peer, 1
        for entry in reversed(chain):
            found = _address(entry)
            if found is None:
                break
            address = str(found)
            if not self._is_trusted(address):
                break
            hops += 1
        return address, hops

    def _look_up(self, address: str) -> bool:
        found = _address(address)
        return found is not None and any(found in network for network in self._networks)


NO_PROXIES = TrustedProxies(())


def _told(headers: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """What the chain of proxies said, by `for`, `proto`, `host` and `prefix`, the nearest last.

    RFC 7239's `Forwarded` counts only where no `X-Forwarded-*` stands: a proxy that writes the one
    form may let a client's other form through.
    """
    told = {
        name: [part.strip() for part in headers[f"x-forwarded-{name}"].split(",")]
        for name in ("for", "proto", "host", "prefix")
        if f"x-forwarded-{name}" in headers
    }
    if "forwarded" in headers and not told.keys() - {"prefix"}:
        return {**_standard(headers["forwarded"]), **told}
    return told


def _standard(value: str) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {"for": [], "proto": [], "host": []}
    for element in value.split(","):
        pairs = {}
        for part in element.split(";"):
            found = _PAIR.fullmatch(part)
            if found:
                pairs[found[1].lower()] = found[2] if found[2] is not None else found[3]
        for name, values in told.items():
            values.append(pairs.get(name, ""))
    return told


def _of_hop(values: Sequence[str], hops: int) -> str:
    """What the outermost trusted proxy said: each hop appended a value, or one set the only one."""
    return values[max(0, len(values) - hops)] if values else ""


@lru_cache(4096)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: alone, with a port, an IPv6 one in brackets."""
    if text[:1] == "[":
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
