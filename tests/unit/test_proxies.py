"""What proxies say is believed from trusted ones, from the right end of the chain on."""

from __future__ import annotations

import pytest

from hub.settings import SettingError, Settings
from hub.web.proxies import Forwarded, TrustedProxies


def trusted(*networks: str) -> TrustedProxies:
    environ = {"HUB_TRUSTED_PROXIES": ",".join(networks)}
    return TrustedProxies(Settings.from_environ(environ).trusted_proxies)


def client(proxies: TrustedProxies, peer: str, chain: str) -> str:
    return proxies.forwarded(peer, {"x-forwarded-for": chain}).address


def test_nobody_is_believed_where_no_proxy_is_trusted() -> None:
    said = {"x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https", "forwarded": "for=9.9.9.9"}
    assert trusted().forwarded("10.0.0.1", said) == Forwarded("10.0.0.1")


def test_a_peer_that_is_not_trusted_is_the_client_whatever_it_says() -> None:
    said = {"x-forwarded-for": "9.9.9.9", "x-forwarded-host": "evil", "x-forwarded-prefix": "/x"}
    assert trusted("10.0.0.0/8").forwarded("11.0.0.1", said) == Forwarded("11.0.0.1")


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("9.9.9.9, 10.0.0.2", "9.9.9.9"),
        ("1.2.3.4, 9.9.9.9, 10.0.0.2", "9.9.9.9"),  # the leftmost is the client's invention
        ("10.0.0.9, 9.9.9.9", "9.9.9.9"),
        ("10.0.0.3,10.0.0.2", "10.0.0.3"),  # all are trusted: the farthest
        ("9.9.9.9:4711", "9.9.9.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:DB8::7]:4711", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:9.9.9.9", "9.9.9.9"),
        ("9.9.9.9, garbage", "10.0.0.1"),
        ("9.9.9.9, ", "10.0.0.1"),
        ("9.9.9.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("", "10.0.0.1"),
        ("999.1.1.1", "10.0.0.1"),
    ],
)
def test_the_client_is_the_first_address_from_the_right_that_is_not_trusted(
    chain: str, address: str
) -> None:
    assert client(trusted("10.0.0.0/8"), "10.0.0.1", chain) == address


def test_networks_may_be_of_either_family_and_a_mapped_peer_is_the_same_address() -> None:
    proxies = trusted("10.0.0.1", "2001:db8::/32")
    assert client(proxies, "2001:db8::5", "9.9.9.9") == "9.9.9.9"
    assert client(proxies, "::ffff:10.0.0.1", "9.9.9.9") == "9.9.9.9"
    assert client(proxies, "2001:db9::5", "9.9.9.9") == "2001:db9::5"
    assert client(proxies, "-", "9.9.9.9") == "-"


def test_scheme_host_and_prefix_are_the_outermost_trusted_proxy_s() -> None:
    said = {
        "x-forwarded-for": "9.9.9.9, 10.0.0.2",
        "x-forwarded-proto": "gopher, https, http",
        "x-forwarded-host": "evil, hub.example:8443, inner",
        "x-forwarded-prefix": "/hub/",
    }
    assert trusted("10.0.0.0/8").forwarded("10.0.0.1", said) == Forwarded(
        "9.9.9.9", "https", "hub.example:8443", "/hub"
    )


@pytest.mark.parametrize("prefix", ["//evil.example", "/a/../b", "hub", "/a b", "/", "/%2e", "/."])
def test_a_prefix_that_is_none_is_ignored(prefix: str) -> None:
    said = {"x-forwarded-prefix": prefix, "x-forwarded-proto": "ftp"}
    assert trusted("10.0.0.1").forwarded("10.0.0.1", said) == Forwarded("10.0.0.1")


def test_the_standard_s_header_is_read_where_no_other_stands() -> None:
    proxies = trusted("10.0.0.0/8")
    standard = 'for=1.1.1.1, for="[2001:db8::7]:99";proto=https;host="hub.example", for=10.0.0.2'
    assert proxies.forwarded("10.0.0.1", {"forwarded": standard}) == Forwarded(
        "2001:db8::7", "https", "hub.example"
    )
    both = {"forwarded": "for=1.1.1.1;host=evil", "x-forwarded-for": "9.9.9.9"}
    assert proxies.forwarded("10.0.0.1", both) == Forwarded("9.9.9.9")
    assert client(proxies, "10.0.0.1", "for=_hidden") == "10.0.0.1"


@pytest.mark.parametrize("networks", ["10.0.0.1/8", "proxy", "10.0.0.0/33", "*"])
def test_a_network_that_is_none_stops_the_start_in_a_line_that_names_it(networks: str) -> None:
    with pytest.raises(SettingError, match=r"^HUB_TRUSTED_PROXIES .* is not an address"):
        trusted(networks)
