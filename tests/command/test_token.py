"""`hubbub token` (contract §9): it prints a token that the hub with the same settings takes."""

from __future__ import annotations

import pytest

from hub.access.keys import keys_of
from hub.access.tokens import Tokens
from hub.identity import Action
from hub.settings import Settings
from hubbub.command import main
from tests.access.signing import SECRET


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_JWT_SECRET", SECRET)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["token", *words]) == 0
    return capsys.readouterr().out


def test_it_prints_one_token_with_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(
        capsys,
        "--subscribe",
        "news",
        "user:7:*",
        "--subscribe",
        "sport",
        "--generate",
        "--sub",
        "7",
    )
    assert out.count("\n") == 1 and " " not in out
    identity = Tokens(keys_of(Settings(jwt_secret=SECRET))).check(out.strip())
    assert identity.subject == "7"
    for channel in ("news", "user:7:inbox", "sport"):
        assert identity.may(Action.SUBSCRIBE, channel)
    assert identity.may(Action.GENERATE)
    assert not identity.may(Action.PUBLISH, "news") and not identity.may(Action.OPERATE)


def test_its_claims_suit_the_hub_s_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_JWT_AUDIENCE", "hub")
    monkeypatch.setenv("HUB_JWT_ISSUER", "me")
    monkeypatch.setenv("HUB_JWT_CLAIM", "rights")
    checker = Tokens(
        keys_of(Settings(jwt_secret=SECRET)), audience="hub", issuer="me", claim="rights"
    )
    assert checker.check(printed(capsys, "--admin").strip()).may(Action.OPERATE)


def test_without_the_secret_it_says_what_to_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HUB_JWT_SECRET")
    assert main(["token", "--admin"]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("hubbub: HUB_JWT_SECRET") and err.count("\n") == 1


@pytest.mark.parametrize("ttl", ["soon", "1.5h", "0", "-1h"])
def test_a_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], ttl: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["token", "--admin", f"--ttl={ttl}"])
    assert ended.value.code == 2
    assert "--ttl" in capsys.readouterr().err


def test_its_help_names_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["token", "--help"])
    assert "--subscribe" in capsys.readouterr().out
