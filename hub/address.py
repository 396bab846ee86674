"""Addresses, as people write them: URLs, hosts, paths."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BASE_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~@:+-]+)+")
"""A path that the hub may hang under. No `//`, which would be another host in an address."""


def split_url(value: str) -> SplitResult:
    """Raises `ValueError` for what no program could ask: Python finds such a port only when it is
    looked at, and lets spaces pass."""
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError("must be a URL without spaces (%20 stands for one)")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(
            "must have an address in whole brackets, such as http://[::1]:8000"
        ) from None
    for server in parts.netloc.rpartition("@")[2].split(","):
        port = re.search(r":([^:\]]*)$", server)
        if port and not (re.fullmatch(r"[0-9]{1,5}", port[1]) and 0 < int(port[1]) < 65536):
            raise ValueError(
                "must have a port from 1 to 65535 where it has one; in a password "
                "/ ? # @ are written %2F %3F %23 %40"
            )
    return parts


def http_url(value: str) -> SplitResult:
    """Raises `ValueError` for what is not the address of a web server."""
    parts = split_url(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL")
    return parts


def base_url(value: str) -> str:
    """An address that paths are put behind. Raises `ValueError`."""
    parts = http_url(value)
    if parts.query or parts.fragment:
        raise ValueError("must end before the ? or #")
    for path in ("/chat/completions", "/responses", "/models"):
        if parts.path.rstrip("/").endswith(path):
            raise ValueError(f"must end before {path}")
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine to itself, whatever the environment says of proxies."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
