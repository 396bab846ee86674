"""Which provider is asked, for which model, how, and at what price."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hub.settings import SettingError, Settings
from tests.provider.conftest import QUESTION
from tests.provider.reading import DONE, chunk, join
from tests.provider.replay import ReplayServer, Reply
from tests.support.provider import Script, ScriptedProvider
from workers.provider import (
    ModelRequest,
    ProviderConfig,
    ProviderFailure,
    Providers,
    Usage,
    cost,
)
from workers.provider.config import load_providers

Asking = Callable[..., Providers]

GOOD = Reply([(chunk({"content": "x"}) + chunk({}, "stop") + DONE).encode()])
REFUSED = Reply(status=400, framing="length")
ANYTHING = ModelRequest(messages=QUESTION.messages)


def listing(*names: str) -> Reply:
    data = ",".join(f'{{"id": "{name}"}}' for name in names)
    return Reply([f'{{"object": "list", "data": [{data}]}}'.encode()], framing="length")


def failure_of(providers: Providers, request: ModelRequest = QUESTION) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        join(providers.open(request))
    return caught.value


def test_the_question_is_sent_with_its_parameters_and_asks_for_usage(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [GOOD]
    request = ModelRequest(
        messages=[{"role": "user", "content": "né🙂\ud800"}],
        model="m1",
        temperature=0.0,
        max_tokens=7,
        n=2,
        stop=("a", "b"),
        tools=[{"type": "function"}],
        extra={"top_p": 0.5, "logprobs": True, "stream": False, "stream_options": {"x": 1}},
    )
    join(asking().open(request))
    assert server.asked[0].body == {
        "messages": [{"role": "user", "content": "né🙂\ufffd"}],
        "model": "m1",
        "temperature": 0.0,
        "max_tokens": 7,
        "n": 2,
        "stop": ["a", "b"],
        "tools": [{"type": "function"}],
        "top_p": 0.5,
        "logprobs": True,
        "stream": True,
        "stream_options": {"x": 1, "include_usage": True},
    }
    asked = server.asked[0]
    assert (asked.method, asked.target) == ("POST", "/v1/chat/completions")
    assert asked.headers["accept"] == "text/event-stream"
    assert asked.headers["accept-encoding"] == "identity"


def test_nothing_is_sent_that_was_not_asked_for(server: ReplayServer, asking: Asking) -> None:
    server.replies = [GOOD]
    join(asking().open(QUESTION))
    assert set(server.asked[0].body) == {"messages", "model", "stream", "stream_options"}
    assert "authorization" not in server.asked[0].headers


def test_a_provider_s_cookies_are_not_kept(server: ReplayServer, asking: Asking) -> None:
    server.replies = [Reply(GOOD.pieces, headers={"Set-Cookie": "who=you; Path=/"}), GOOD]
    providers = asking()
    for _ in range(2):
        join(providers.open(QUESTION))
    assert "cookie" not in server.asked[1].headers


def test_without_a_model_the_configured_one_is_asked_for(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [GOOD]
    join(asking(model="house").open(ANYTHING))
    assert server.asked[0].body["model"] == "house"


def test_without_any_model_the_provider_s_first_is_asked_for_and_remembered(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [listing("first", "second"), GOOD, GOOD]
    providers = asking()
    for _ in range(2):
        join(providers.open(ANYTHING))
    assert [asked.target for asked in server.asked] == [
        "/v1/models", "/v1/chat/completions", "/v1/chat/completions",
    ]  # fmt: skip
    assert server.asked[2].body["model"] == "first"
    assert server.asked[0].connection == server.asked[1].connection


def test_a_provider_s_list_is_asked_for_anew_after_a_while(
    server: ReplayServer, asking: Asking
) -> None:
    seconds = [0.0]
    server.replies = [listing("old"), listing("new")]
    providers = asking(clock=lambda: seconds[0])
    assert providers.models() == providers.models() == ("old",)
    seconds[0] = 61.0
    assert providers.models() == ("new",)


def test_a_key_in_a_file_is_read_for_each_question_and_in_no_message(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    settings = Settings(local_model_url=provider.base_url, local_model_key_file=str(file))
    providers = Providers.from_settings(settings, {})
    assert failure_of(providers).code == "provider-unavailable"
    for key in ("the-first-key", "the-second-key"):
        file.write_text(f"{key}\n")
        join(providers.open(QUESTION))
        assert provider.request_headers[-1]["authorization"] == f"Bearer {key}"
    provider.default = Script(status=401, error={"message": f"not {key}"})
    assert key not in failure_of(providers).detail


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (listing(), "provider-refused"),
        (Reply([b"[]"], framing="length"), "provider-refused"),
        (Reply([b"<p>"], framing="length"), "provider-malformed"),
        (Reply(status=404, framing="length"), "provider-refused"),
        (Reply(status=401, framing="length"), "provider-auth"),
    ],
)
def test_a_provider_that_lists_no_model_is_a_failure_in_words(
    server: ReplayServer, asking: Asking, reply: Reply, code: str
) -> None:
    server.replies = [reply] * 4
    providers = asking(wait=lambda closing, seconds: None)
    assert failure_of(providers, ANYTHING).code == code


def test_a_model_that_is_not_allowed_is_refused_before_anybody_is_asked(
    server: ReplayServer, asking: Asking
) -> None:
    failure = failure_of(asking(models=("m2", "m3")))
    assert failure.code == "provider-refused"
    assert "'m1' is not allowed" in failure.detail
    assert server.asked == []


def test_of_the_models_listed_the_first_that_is_allowed_is_asked_for(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [listing("m1", "m2"), GOOD]
    join(asking(models=("m2",)).open(ANYTHING))
    assert server.asked[1].body["model"] == "m2"


def test_without_a_provider_the_failure_says_what_to_set() -> None:
    failure = failure_of(Providers((), Settings()))
    assert (failure.code, failure.retryable) == ("provider-unavailable", False)
    assert "OPENAI_BASE_URL" in failure.detail


def test_the_models_that_may_be_asked_for_are_listed_with_the_default_first(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [listing("m1", "m2")]
    named = ProviderConfig("named", "http://127.0.0.1:9/v1", models={"m3": "theirs"})
    here = ProviderConfig("here", server.base_url)
    assert asking(configs=[here, named], model="m3").models() == ("m3", "m1", "m2")
    assert asking(models=("b", "a")).models() == ("b", "a")


# --- several providers


def test_a_provider_that_fails_is_followed_by_the_next_in_the_file(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [Reply(status=401, framing="length"), GOOD]
    configs = [ProviderConfig(name, server.base_url, f"key-of-{name}") for name in ("a", "b")]
    stream = asking(configs=configs).open(QUESTION)
    assert join(stream).text == "x"
    assert (stream.provider, stream.tries) == ("b", 2)
    assert server.asked[1].headers["authorization"] == "Bearer key-of-b"


def test_a_question_that_is_refused_is_not_carried_from_door_to_door(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [REFUSED, GOOD]
    configs = [ProviderConfig(name, server.base_url) for name in ("a", "b")]
    assert failure_of(asking(configs=configs)).code == "provider-refused"
    assert len(server.asked) == 1


def test_after_the_first_content_no_other_provider_takes_over(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [Reply([chunk({"content": "half"}).encode()], framing="cut"), GOOD]
    configs = [ProviderConfig(name, server.base_url) for name in ("a", "b")]
    assert failure_of(asking(configs=configs)).code == "provider-truncated"
    assert len(server.asked) == 1


def test_a_model_is_asked_of_those_who_serve_it_by_their_name_for_it(
    server: ReplayServer, asking: Asking
) -> None:
    server.replies = [GOOD]
    configs = [
        ProviderConfig("a", server.base_url, models={"other": "other"}),
        ProviderConfig(
            "b", server.base_url, models={"m1": "vendor/m1-large"}, query={"api-version": "7"}
        ),
    ]
    stream = asking(configs=configs).open(QUESTION)
    join(stream)
    assert stream.provider == "b"
    assert server.asked[0].body["model"] == "vendor/m1-large"
    assert server.asked[0].target.endswith("?api-version=7")
    failure = failure_of(asking(configs=configs), ModelRequest(messages=[], model="m9"))
    assert failure.detail == "no provider serves the model 'm9'"


# --- configuration


def test_one_provider_comes_from_the_environment_alone() -> None:
    settings = Settings(openai_base_url="http://models.local:9/v1", openai_api_key="k")
    config = ProviderConfig("models.local", "http://models.local:9/v1", "k")
    assert load_providers(settings, {}) == (config,)
    assert load_providers(Settings(), {}) == ()
    assert load_providers(Settings(openai_api_key="k"), {})[0].base_url.startswith(
        "https://api.openai.com"
    )


def test_the_file_names_several_in_fall_back_order(tmp_path: Path) -> None:
    """Also as an editor on Windows writes it."""
    file = tmp_path / "providers.toml"
    file.write_text(
        """\ufeff
        [[providers]]                     # asked first
        name = "near"
        base_url = "http://127.0.0.1:8080/v1/"
        models = ["small"]

        [[providers]]
        name = "far"
        base_url = "https://api.example.com/v1"
        api_key_env = "FAR_KEY"
        headers = { "X-Title" = "Hubbub" }
        query = { "api-version" = "2026-01-01" }
        models = { small = "vendor/small-1" }
        """,
        encoding="utf-8",
        newline="\r\n",
    )
    near, far = load_providers(Settings(providers_file=str(file)), {"FAR_KEY": "secret-of-far"})
    assert near == ProviderConfig("near", "http://127.0.0.1:8080/v1", models={"small": "small"})
    assert (far.api_key, far.models["small"]) == ("secret-of-far", "vendor/small-1")
    assert (far.headers, far.query) == ({"X-Title": "Hubbub"}, {"api-version": "2026-01-01"})
    assert "secret-of-far" not in repr(far)


ENTRY: Mapping[str, str] = {"name": '"a"', "base_url": '"http://x/v1"'}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": '""'}, "needs a name"),
        ({"base_url": '"ftp://x"'}, "a: base_url must be"),
        ({"base_url": "1"}, "a: base_url must be"),
        ({"base_url": '"http://[::1/v1"'}, "a: base_url must have"),
        ({"base_url": '"http://x:port/v1"'}, "a: base_url must have a port"),
        ({"api_key": '"two words"'}, "a: api_key must be ASCII without spaces"),
        ({"key": '"x"'}, "a: key is not a field"),
        ({"api_key_env": '"UNSET"'}, "a: api_key_env names a variable that is not set"),
        ({"api_key": '"x"', "api_key_env": '"SET"'}, "not both"),
        ({"api_key": "5"}, "a: api_key must be text"),
        ({"models": '"m"'}, "a: models must be a list"),
        ({"models": "{ m = 1 }"}, "a: models.m must be text"),
        ({"headers": "[]"}, "a: headers must be a table of texts"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_it(
    tmp_path: Path, fields: dict[str, str], problem: str
) -> None:
    lines = [f"{name} = {value}" for name, value in {**ENTRY, **fields}.items()]
    file = tmp_path / "providers.toml"
    file.write_text("[[providers]]\n" + "\n".join(lines))
    with pytest.raises(SettingError) as caught:
        load_providers(Settings(providers_file=str(file)), {"SET": "x"})
    assert problem in str(caught.value)
    assert str(caught.value).startswith("HUB_PROVIDERS")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "providers = []", "[[providers", "x = 1", '[[providers]]\nname="a"\n[x]']
)
def test_a_file_that_holds_no_providers_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(text)
    with pytest.raises(SettingError):
        load_providers(Settings(providers_file=str(file)), {})
    with pytest.raises(SettingError, match="cannot be read"):
        load_providers(Settings(providers_file=str(tmp_path / "none.toml")), {})


def test_two_providers_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text('[[providers]]\nname = "a"\nbase_url = "http://x/v1"\n' * 2)
    with pytest.raises(SettingError, match="two providers 'a'"):
        load_providers(Settings(providers_file=str(file)), {})


# --- proxies


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def set_all(**variables: Any) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def test_the_proxy_of_the_environment_is_used(
    server: ReplayServer, asking: Asking, environment: Callable[..., None]
) -> None:
    environment(http_proxy=server.base_url.removesuffix("/v1"))
    server.replies = [GOOD]
    config = ProviderConfig("far", "http://models.invalid/v1")
    assert join(asking(configs=[config]).open(QUESTION)).text == "x"
    assert server.asked[0].target == "http://models.invalid/v1/chat/completions"


def test_no_proxy_is_respected(
    server: ReplayServer, asking: Asking, environment: Callable[..., None]
) -> None:
    environment(http_proxy="http://127.0.0.1:9", no_proxy="127.0.0.1")
    server.replies = [GOOD]
    assert join(asking().open(QUESTION)).text == "x"


def test_a_proxy_that_is_not_there_is_named_without_its_password(
    asking: Asking, environment: Callable[..., None]
) -> None:
    environment(http_proxy="http://user:pass-of-user@127.0.0.1:9")
    config = ProviderConfig("far", "http://models.invalid/v1")
    failure = failure_of(asking(configs=[config], wait=lambda closing, seconds: None))
    assert failure.code == "provider-unavailable"
    assert "proxy" in failure.detail
    assert "pass-of-user" not in failure.detail


# --- prices

PRICES = {"gpt-4o": {"prompt": 2.5, "completion": 10.0}, "gpt-4o-mini": {"prompt": 0.15}}


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4o", 3.5),
        ("gpt-4o-2024-08-06", 3.5),
        ("gpt-4o-mini", 0.15),
        ("gpt-4o-mini-2024-07-18", 0.15),
        ("gpt-4o-audio-preview", None),
        ("gpt-4", None),
        (None, None),
    ],
)
def test_a_cost_is_told_only_where_the_model_s_price_is_known(
    model: str | None, price: float | None
) -> None:
    assert cost(Usage(1_000_000, 100_000, 1_100_000), model, PRICES) == price


def test_without_usage_there_is_no_cost() -> None:
    assert cost(None, "gpt-4o", PRICES) is None


LOCAL = "http://model:8080/v1"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(local_model_url=LOCAL), LOCAL),
        (Settings(local_model_url=LOCAL, providers_file="/dev/null"), LOCAL),
        (Settings(local_model_url=LOCAL, openai_api_key="k"), "https://api.openai.com/v1"),
        (Settings(local_model_url=LOCAL, openai_base_url="http://own/v1"), "http://own/v1"),
        (Settings(openai_api_key="k", providers_file="/dev/null"), "https://api.openai.com/v1"),
    ],
)
def test_the_bundled_model_answers_only_where_nothing_else_is_named(
    settings: Settings, url: str
) -> None:
    assert [config.base_url for config in load_providers(settings, {})] == [url]
