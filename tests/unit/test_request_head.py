"""The head of a request: one value, whoever parsed it and whatever stands in front."""

from __future__ import annotations

from typing import Any

import pytest

from hub.settings import SettingError, Settings
from hub.web.proxies import TrustedProxies
from hub.web.request_head import RequestHead

TRUSTED = TrustedProxies(Settings.from_environ({"HUB_TRUSTED_PROXIES": "10.0.0.1"}).trusted_proxies)


def head(path: str = "/", base_path: str = "", **more: Any) -> RequestHead:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "REMOTE_ADDR": "10.0.0.1"}
    return RequestHead.from_environ(
        {**environ, "wsgi.url_scheme": "http", **more}, TRUSTED, base_path
    )


@pytest.mark.parametrize(
    ("path", "behind"),
    [
        ("/hub/channels/a/events", "/channels/a/events"),
        ("/channels/a/events", "/channels/a/events"),  # the proxy has cut it, or a probe
        ("/hub", "/"),
        ("/hub/", "/"),
        ("/", "/"),
        ("", "/"),
        ("/hubbub", "/hubbub"),
        ("/hub//x", "//x"),
        ("/hub/events/", "/events"),
        ("/hub/events//", "/events/"),
    ],
)
def test_the_path_begins_behind_the_prefix_whoever_names_it(path: str, behind: str) -> None:
    for found in (
        head(path, base_path="/hub"),
        head(path, HTTP_X_FORWARDED_PREFIX="/hub/"),
        head(path, SCRIPT_NAME="/hub"),
    ):
        assert (found.path, found.prefix) == (behind, "/hub")


def test_a_trusted_proxy_s_prefix_comes_before_the_setting_and_that_before_the_server_s() -> None:
    named = {"HTTP_X_FORWARDED_PREFIX": "/outer", "SCRIPT_NAME": "/server"}
    assert head(base_path="/set", **named).prefix == "/outer"
    assert head(base_path="/set", **named, REMOTE_ADDR="9.9.9.9").prefix == "/set"
    assert head(**named, REMOTE_ADDR="9.9.9.9").prefix == "/server"


@pytest.mark.parametrize(
    ("named", "host"),
    [
        ("Hub.example:8000", "hub.example:8000"),
        ("[::1]:80", "[::1]:80"),
        ("", ""),
        ("a b", ""),
        ("a/b", ""),
        ("a:b", ""),
        ("user@a", ""),
        ("a;b", ""),
        ("a\x00", ""),
        ("[::1", ""),
        ("ä", ""),
    ],
)
def test_a_host_that_cannot_be_one_is_empty(named: str, host: str) -> None:
    assert head(HTTP_HOST=named).host == host
    assert head(HTTP_HOST="localhost", HTTP_X_FORWARDED_HOST=named).host in (host, "localhost")


def test_no_host_is_another_thing_than_an_empty_one() -> None:
    assert head().host is None


def test_a_whole_address_in_the_request_line_names_the_host() -> None:
    assert head(RAW_URI="http://a.example:1/x", HTTP_HOST="localhost").host == "a.example:1"
    assert head(RAW_URI="http://[bad/x", HTTP_HOST="localhost").host == ""
    assert head(RAW_URI="/x?y=http://a.example/", HTTP_HOST="localhost").host == "localhost"


def test_the_origin_is_the_one_that_the_client_sees() -> None:
    seen = head(
        HTTP_HOST="inner:8000",
        HTTP_X_FORWARDED_HOST="hub.example",
        HTTP_X_FORWARDED_PROTO="HTTPS",
        HTTP_X_FORWARDED_FOR="9.9.9.9",
    )
    assert (seen.origin, seen.address, seen.peer) == ("https://hub.example", "9.9.9.9", "10.0.0.1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUB_BASE_PATH", "hub"),
        ("HUB_BASE_PATH", "//evil.example"),
        ("HUB_BASE_PATH", "/a/../b"),
        ("HUB_BASE_PATH", "/a b"),
        ("HUB_ALLOWED_HOSTS", "https://hub.example"),
        ("HUB_ALLOWED_HOSTS", "hub.example:8000"),
        ("HUB_ALLOWED_HOSTS", "hub.example,*"),
        ("HUB_ALLOWED_HOSTS", "hub.*.example"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_line_that_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} "):
        Settings.from_environ({name: value})


def test_a_base_path_may_end_with_a_slash_and_be_the_root() -> None:
    assert Settings.from_environ({"HUB_BASE_PATH": "/hub/"}).base_path == "/hub"
    assert Settings.from_environ({"HUB_BASE_PATH": "/"}).base_path == ""
