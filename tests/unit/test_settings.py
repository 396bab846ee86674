"""Settings: the contract's table, and one line for each that does not parse."""

from __future__ import annotations

import pytest

from hub.setting_values import OWN_PATHS
from hub.settings import SettingError, Settings
from hubbub.application import create_app

DEFAULTS = {
    "host": "127.0.0.1",
    "port": 8000,
    "web_concurrency": 1,
    "redis_url": None,
    "heartbeat_seconds": 15,
    "retry_ms": 2000,
    "history_events": 10_000,
    "history_bytes": 67_108_864,
    "history_seconds": 86_400,
    "channel_seconds": 2_592_000,
    "max_listeners": 10_000,
    "max_listeners_per_address": 0,
    "max_event_bytes": 262_144,
    "generations_per_minute": 30,
    "worker_concurrency": 200,
    "first_delta_timeout_seconds": 60,
    "stall_timeout_seconds": 60,
    "lease_seconds": 15,
    "grace_seconds": 8,
    "wait_replicas": 0,
    "log_format": "text",
    "url": "http://127.0.0.1:8000",
    "cors_origins": (),
    "allow_anonymous": False,
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_is_the_contract_s(name: str) -> None:
    assert getattr(Settings.from_environ({}), name) == DEFAULTS[name]


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_environ({"PORT": "", "REDIS_URL": " "}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("PORT", "８０"),
        ("WEB_CONCURRENCY", "0"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://host:99999"),
        ("REDIS_URL", "redis://host:port/0"),
        ("REDIS_URL", "redis+sentinel://a:26379,b:99999/name/0"),
        ("REDIS_URL", "redis://host/cache"),
        ("REDIS_URL", "unix://"),
        ("REDIS_URL", "redis://[::1"),
        ("REDIS_URL", "redis://:pass/word@host:6379/0"),
        ("REDIS_URL", '"redis://host:6379/0"'),
        ("REDIS_URL", "redis://host?nonsense=1"),
        ("REDIS_URL", "redis://host?socket_timeout=soon"),
        ("REDIS_URL", "rediss://host?ssl_cert_reqs=maybe"),
        ("HOST", "127.0.0.1:8000"),
        ("HOST", "http://127.0.0.1"),
        ("HOST", "*"),
        ("HOST", "[::1"),
        ("HUB_BASE_PATH", "hub"),
        ("HUB_BASE_PATH", "//hub"),
        ("HUB_BASE_PATH", "/hub/../x"),
        ("HUB_BASE_PATH", "/über"),
        ("HUB_BASE_PATH", "/channels"),
        ("HUB_BASE_PATH", "/v1/hub/"),
        ("OPENAI_BASE_URL", "localhost"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:99999/v1"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:port/v1"),
        ("OPENAI_BASE_URL", "http://[::1/v1"),
        ("OPENAI_BASE_URL", "http://host/v 1"),
        ("OPENAI_BASE_URL", "http://host/v1?version=2"),
        ("OPENAI_BASE_URL", "http://host/v1/chat/completions/"),
        ("OPENAI_API_KEY", "'sk-quoted'"),
        ("OPENAI_API_KEY", "sk-two\nlines"),
        ("OPENAI_API_KEY", "sk-schlüssel"),
        ("HUB_SYSTEM_PROMPT", "not UTF-8: \udcff"),
        ("HUB_PRICES", '{"m":{"prompt":NaN}}'),
        ("HUB_PRICES", "{"),
        ("HUB_PRICES", "[]"),
        ("HUB_PRICES", '{"m":{"prompt":-1}}'),
        ("HUB_HEARTBEAT_SECONDS", "0"),
        ("HUB_HEARTBEAT_SECONDS", "1.5"),
        ("HUB_GRACE_SECONDS", "soon"),
        ("HUB_GRACE_SECONDS", "nan"),
        ("HUB_GRACE_SECONDS", "8s"),
        ("HUB_GRACE_SECONDS", "-1"),
        ("HUB_CORS_ORIGINS", "example.org"),
        ("HUB_CORS_ORIGINS", "https://a.example/path"),
        ("HUB_CORS_ORIGINS", "https://[::1"),
        ("HUB_ALLOW_ANONYMOUS", "perhaps"),
        ("HUB_LOG_FORMAT", "xml"),
        ("HUB_JWT_SECRET", "thirty-one bytes are too few ..."[:31]),
        ("HUB_JWT_SECRET", "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEF"),
        ("HUB_JWT_JWKS_URL", "http://id.example/keys"),
        ("HUB_JWT_JWKS_URL", "file:///etc/keys"),
        ("HUB_JWT_JWKS_URL", "https:///keys"),
        ("HUB_JWT_JWKS_URL", "https://id.example:port/keys"),
        ("HUB_JWT_AUDIENCE", "hub"),
        ("HUB_JWT_ISSUER", "https://id.example"),
        ("HUB_JWT_CLAIM", "rights"),
        ("HUB_ADMIN_PORT", "8000"),
        ("HUB_MAX_EVENT_BYTES", "256k"),
    ],
)
def test_what_does_not_parse_is_one_line_that_names_the_setting(name: str, value: str) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_environ({name: value})
    line = str(refused.value)
    assert line.startswith(f"{name} ")
    assert "\n" not in line
    assert len(line) > len(name) + 8


@pytest.mark.parametrize(
    "url",
    [
        "redis://", "redis://[::1]:6379/1", "redis://u:p@host:6379", "unix:///run/redis.sock?db=2",
        "redis+sentinel://u:p@a:26379,b/name/0", "redis+cluster://a:6379,b:6380", "redis://h?db=1",
        "redis://:p@ss@host:6379/0", "redis://:p%2Fss%23@host", "rediss://h?ssl_cert_reqs=none",
        "redis+sentinel://a/name?sentinel_password=p%26w", "unix:///a%20folder/redis.sock",
    ],
)  # fmt: skip
def test_an_address_of_redis_that_there_may_be_is_taken(url: str) -> None:
    assert Settings.from_environ({"REDIS_URL": url}).redis_url == url


def test_what_files_of_settings_leave_around_a_value_is_borne() -> None:
    """CRLF line ends, a slash at the end, an address in capitals, quotes that belong to a text."""
    given = {
        "OPENAI_BASE_URL": " http://host/v1/\r", "REDIS_URL": "REDIS://host\r", "PORT": "80\r",
        "HUB_BASE_PATH": "/hub/", "HUB_SYSTEM_PROMPT": '"Quoted."',
    }  # fmt: skip
    found = Settings.from_environ(given)
    assert (found.openai_base_url, found.redis_url) == ("http://host/v1", "redis://host")
    assert (found.port, found.base_path, found.system_prompt) == (80, "/hub", '"Quoted."')


def test_a_model_that_may_not_be_asked_for_is_not_the_one_of_those_who_name_none() -> None:
    with pytest.raises(SettingError, match="HUB_MODEL must be one of HUB_MODELS"):
        Settings.from_environ({"HUB_MODEL": "a", "HUB_MODELS": "b,c"})
    for more in ({"HUB_MODELS": "b,a"}, {"HUB_MODELS": "b", "HUB_GENERATORS": "a=x.y:z"}):
        assert Settings.from_environ({"HUB_MODEL": "a", **more}).model == "a"


def test_the_hub_s_own_paths_are_known_to_the_setting_of_a_prefix() -> None:
    rules = create_app(Settings(redis_url="redis://127.0.0.1:1")).url_map.iter_rules()
    assert {rule.rule.split("/")[1] for rule in rules} - {""} == OWN_PATHS


def test_a_secret_is_not_repeated_in_the_line_about_it() -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_environ({"REDIS_URL": "amqp://user:hunter2@host"})
    assert "hunter2" not in str(refused.value)


def test_what_is_printed_of_the_settings_holds_no_secret() -> None:
    given = {
        "HUB_JWT_SECRET": "hunter2 hunter2 hunter2 hunter2 hunter2",
        "OPENAI_API_KEY": "hunter2",
        "REDIS_URL": "redis://:hunter2@host",
    }
    assert "hunter2" not in repr(Settings.from_environ(given))


@pytest.mark.parametrize(
    "url",
    ["https://id.example/keys", "http://127.0.0.1:9/keys", "http://[::1]:9/", "http://localhost/"],
)
def test_a_provider_s_keys_come_over_tls_or_from_this_machine(url: str) -> None:
    assert Settings.from_environ({"HUB_JWT_JWKS_URL": url}).jwt_jwks_url == url


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_a_loopback_address_needs_no_leave(host: str) -> None:
    Settings(host=host).check_bind()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_any_other_address_is_refused_with_what_to_set(host: str) -> None:
    with pytest.raises(SettingError, match="HUB_ALLOW_ANONYMOUS=1") as refused:
        Settings(host=host).check_bind()
    assert "\n" not in str(refused.value)
    Settings(host=host, allow_anonymous=True).check_bind()
    Settings(host=host, jwt_secret="x" * 32).check_bind()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("HUB_GRACE_SECOND", "there is no setting HUB_GRACE_SECOND: is HUB_GRACE_SECONDS meant?"),
        ("HUB_MODELL", "there is no setting HUB_MODELL: is HUB_MODEL meant?"),
        ("HUB_ADMIM_PORT", "there is no setting HUB_ADMIM_PORT: is HUB_ADMIN_PORT meant?"),
        ("HUB_XYZZY", "there is no setting HUB_XYZZY"),
    ],
)
def test_a_setting_that_there_is_not_is_told_with_the_nearest_name(name: str, line: str) -> None:
    assert Settings.unknown({name: "1", "HUB_MODEL": "m", "HUB_TOKEN": "t", "PATH": "/"}) == [line]


def test_what_kubernetes_sets_for_a_service_is_no_mistake() -> None:
    of_hub = ("HUB_SERVICE_HOST", "HUB_SERVICE_PORT", "HUB_SERVICE_PORT_HTTP", "HUB_PORT")
    of_hub += ("HUB_PORT_8000_TCP", "HUB_PORT_8000_TCP_ADDR")  # type: ignore[assignment]
    of_web = ("HUB_WEB_SERVICE_HOST", "HUB_WEB_PORT", "HUB_WEB_PORT_80_TCP_PROTO")
    assert Settings.unknown(dict.fromkeys((*of_hub, *of_web), "x")) == []
