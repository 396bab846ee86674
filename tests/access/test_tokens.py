"""What counts as a token. Every way to get in without one that counts must end in a refusal, whose
words help nobody who forges."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hub.access.keys import Key, KeySet, keys_of
from hub.access.minting import mint, seconds_of
from hub.access.tokens import REMEMBERED, Tokens
from hub.errors import Unauthorized
from hub.identity import SKEW_SECONDS, Action, Identity
from hub.settings import SettingError, Settings
from tests.access.signing import (
    EC,
    ED,
    OTHER_RSA,
    RSA,
    SECRET,
    PrivateKey,
    algorithm_of,
    by_hand,
    pem,
    rights,
    token,
)

NOT_VALID = "the token is not valid"


def tokens(**settings: object) -> Tokens:
    made = Settings(**{"jwt_secret": SECRET, **settings})  # type: ignore[arg-type]
    return Tokens(
        keys_of(made),
        audience=made.jwt_audience,
        issuer=made.jwt_issuer,
        claim=made.jwt_claim,
    )


def refused(checker: Tokens, shown: str) -> str:
    with pytest.raises(Unauthorized) as refusal:
        checker.check(shown)
    assert checker.known(shown) is None
    return refusal.value.detail


# ── what counts ──────────────────────────────────────────────────────────────────────────────────


def test_a_token_says_who_asks_until_when_and_for_what() -> None:
    until = int(time.time()) + 600
    shown = token(sub="7", exp=until, jti="j", hub={"subscribe": ["news"], "generate": True})
    identity = tokens().check(shown)
    assert (identity.subject, identity.exp, identity.jti) == ("7", until, "j")
    assert identity.may(Action.SUBSCRIBE, "news") and identity.may(Action.GENERATE)
    assert not identity.may(Action.PUBLISH, "news") and not identity.may(Action.OPERATE)
    assert identity.claims["sub"] == "7"


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=["RS256", "ES256", "EdDSA"])
def test_a_public_key_of_each_kind_checks_its_own_tokens(key: PrivateKey) -> None:
    checker = tokens(jwt_secret=None, jwt_public_key=pem(key))
    assert checker.check(token(key, sub="7")).subject == "7"
    assert checker.check(token(key, sub="7", kid="any name")).subject == "7"


def test_several_keys_are_told_apart_by_kid() -> None:
    checker = tokens(jwt_public_key=f"old={pem(RSA)}\nnew={pem(OTHER_RSA)}")
    assert checker.check(token(RSA, sub="7", kid="old")).subject == "7"
    assert checker.check(token(OTHER_RSA, sub="7", kid="new")).subject == "7"
    assert checker.check(token(OTHER_RSA, sub="7")).subject == "7", "without a kid, each is tried"
    assert checker.check(token(SECRET, sub="7", kid="whatever")).subject == "7"


@pytest.mark.parametrize(
    "write",
    [
        lambda one, two: one + two,
        lambda one, two: (one + two).replace("\n", "\\n"),
        lambda one, two: json.dumps({"a": one, "b": two}),
    ],
    ids=["one after the other", "on a single line", "as JSON"],
)
def test_several_keys_may_be_written_in_three_ways(write: Callable[[str, str], str]) -> None:
    checker = tokens(jwt_public_key=write(pem(RSA), pem(ED)))
    assert checker.check(token(RSA, sub="7")).subject == "7"
    assert checker.check(token(ED, sub="7")).subject == "7"


def test_a_minute_of_skew_is_borne_and_not_more() -> None:
    checker = tokens()
    checker.check(token(ttl=-SKEW_SECONDS + 5))
    checker.check(token(nbf=int(time.time()) + SKEW_SECONDS - 5))
    assert refused(checker, token(ttl=-SKEW_SECONDS - 5)) == "the token has expired"
    assert refused(checker, token(nbf=int(time.time()) + SKEW_SECONDS + 5))


def test_the_claim_has_a_name_of_one_s_own() -> None:
    checker = tokens(jwt_claim="https://example.org/hub")
    claims: dict[str, Any] = {"https://example.org/hub": {"publish": ["news"]}, "hub": rights()}
    shown = token(**claims)
    assert checker.check(shown).may(Action.PUBLISH, "news")
    assert not checker.check(shown).may(Action.OPERATE)


def test_a_token_without_the_claim_is_somebody_who_may_nothing() -> None:
    identity = tokens().check(token(sub="7"))
    assert not any(identity.may(action, "news") for action in Action)


def test_a_token_without_a_subject_stands_for_itself_alone() -> None:
    one, other = tokens().check(token(jti="1")), tokens().check(token(jti="2"))
    assert one.subject and other.subject and one.subject != other.subject
    assert tokens().check(token(sub="")).subject


def test_a_token_without_a_subject_is_the_same_however_its_signature_is_spelled() -> None:
    """Or each spelling would have limits of its own."""
    shown = token(hub=rights())
    checker = tokens()
    assert checker.check(shown + "=").subject == checker.check(shown).subject


# ── what does not ────────────────────────────────────────────────────────────────────────────────

FULL = {"exp": 4_000_000_000, "sub": "7", "hub": rights()}


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, "HS512", "PS256"])
def test_an_algorithm_that_is_not_among_ours_is_refused(algorithm: str | None) -> None:
    header = {"typ": "JWT"} if algorithm is None else {"alg": algorithm, "typ": "JWT"}
    assert refused(tokens(), by_hand(header, FULL)) == NOT_VALID
    assert refused(tokens(), by_hand(header, FULL, b"x" * 32)) == NOT_VALID


def test_another_secret_and_another_key_are_refused() -> None:
    checker = tokens(jwt_public_key=pem(RSA))
    assert refused(checker, token("another secret of at least 32 bytes!", sub="7")) == NOT_VALID
    assert refused(checker, token(OTHER_RSA, sub="7")) == NOT_VALID


@pytest.mark.parametrize("public", [RSA, EC, ED], ids=["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("with_secret", [True, False])
def test_a_public_key_is_no_secret_to_sign_with(public: PrivateKey, with_secret: bool) -> None:
    """Key confusion: a token of HS256, signed with the PEM that everybody may know."""
    checker = tokens(jwt_secret=SECRET if with_secret else None, jwt_public_key=f"k={pem(public)}")
    for kid in (None, "k"):
        for material in (pem(public), pem(public).strip(), f"k={pem(public)}"):
            header = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
            unsigned = by_hand(header, FULL).rpartition(".")[0]
            signature = hmac.new(material.encode(), unsigned.encode(), sha256).digest()
            forged = f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
            assert refused(checker, forged) == NOT_VALID


def test_a_key_serves_its_own_algorithm_only() -> None:
    checker = tokens(jwt_secret=None, jwt_public_key=pem(RSA))
    for algorithm in ("RS384", "RS512", "PS256"):
        assert refused(checker, jwt.encode(FULL, RSA, algorithm=algorithm)) == NOT_VALID
    hs512 = jwt.encode(FULL, SECRET + SECRET, algorithm="HS512")
    assert refused(tokens(jwt_secret=SECRET + SECRET), hs512) == NOT_VALID


@pytest.mark.parametrize(
    "kid", ["new", "", "../../etc/passwd", "' or 1=1", "old\x00", "OLD", 7, None, ["old"], {}]
)
def test_a_kid_leads_only_to_the_key_of_that_name(kid: object) -> None:
    checker = tokens(jwt_secret=None, jwt_public_key=f"old={pem(RSA)}")
    header = {"alg": "RS256", "kid": kid}
    assert refused(checker, by_hand(header, FULL, b"x" * 256)) == NOT_VALID
    if isinstance(kid, str):
        assert refused(checker, token(RSA, sub="7", kid=kid)) == NOT_VALID


def test_keys_that_a_token_brings_along_do_not_count() -> None:
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_RSA.public_key()))
    for extra in ({"jwk": own}, {"jku": "https://example.org/keys"}, {"x5c": ["MII"]}):
        forged = jwt.encode(FULL, OTHER_RSA, algorithm="RS256", headers=extra)
        assert refused(tokens(jwt_secret=None, jwt_public_key=pem(RSA)), forged) == NOT_VALID


def test_audience_and_issuer_are_checked_where_they_are_set() -> None:
    checker = tokens(jwt_audience="hub", jwt_issuer="https://id.example")
    good: dict[str, Any] = {"aud": "hub", "iss": "https://id.example"}
    checker.check(token(**good))
    checker.check(token(**{**good, "aud": ["other", "hub"]}))
    assert (
        refused(checker, token(**{**good, "aud": "other"})) == "the token is for another audience"
    )
    assert refused(checker, token(**{**good, "iss": "https://id.example/"})).endswith("issuer")
    assert refused(checker, token(iss=good["iss"])) == "the token has no aud"
    assert refused(checker, token(aud=good["aud"])) == "the token has no iss"
    tokens().check(token(**good))


def test_a_token_must_end() -> None:
    assert refused(tokens(), token(exp=None, sub="7")) == "the token has no exp"


@pytest.mark.parametrize("exp", ["soon", [], {}, True, "99999999999", 0, -1])
def test_an_exp_that_is_no_time_to_come_is_refused(exp: object) -> None:
    assert refused(tokens(), token(exp=exp))


def test_an_exp_beyond_all_numbers_is_the_end_of_time() -> None:
    assert tokens().check(token(exp=10**400)).exp == 10**12


@pytest.mark.parametrize(
    "claim",
    [
        "admin",
        ["admin"],
        7,
        {"subscribe": "news"},
        {"subscribe": [7]},
        {"publish": {"news": True}},
        {"generate": "yes"},
        {"generate": 1},
        {"admin": "false"},
        {"admin": None},
    ],
)
def test_a_claim_of_another_shape_is_refused_and_named(claim: object) -> None:
    assert "the token's claim hub" in refused(tokens(), token(hub=claim))


def test_a_truncated_or_altered_token_is_refused() -> None:
    whole = token(sub="7", hub=rights())
    header, payload, signature = whole.split(".")
    for shown in (
        "",
        ".",
        "..",
        "...",
        header,
        f"{header}.{payload}",
        f"{header}.{payload}.",
        f"{header}..{signature}",
        f".{payload}.{signature}",
        f"{whole}.{signature}",
        f" {whole}",
        f"{whole} ",
        whole[:-1],
        whole[1:],
        whole.upper(),
        f"{header}.{payload[:-2]}.{signature}",
        "a" * 8000,
        "é.ü.ß",
        "\ud800.\ud800.x",
        "\x00",
    ):
        refused(tokens(), shown)


def test_random_changes_of_a_token_never_let_anybody_in() -> None:
    random, checker = Random(7), tokens(jwt_public_key=pem(RSA))
    for key in (SECRET, RSA):
        whole = token(key, sub="7", hub=rights())
        for _ in range(300):
            at = random.randrange(len(whole) - 1)  # the last character has bits that do not count
            forged = whole[:at] + random.choice("abcXYZ019-_.=%/") + whole[at + 1 :]
            if forged != whole:
                refused(checker, forged)


def test_random_headers_never_let_anybody_in_nor_break_anything() -> None:
    random, checker = Random(8), tokens(jwt_public_key=pem(RSA))
    values: list[object] = [
        "HS256",
        "RS256",
        "none",
        None,
        1,
        "",
        [],
        {},
        "x" * 500,
        True,
        {"a": []},
        "\ud800",
    ]
    for _ in range(500):
        header = {
            name: random.choice(values)
            for name in random.sample(["alg", "kid", "typ", "crit", "b64", "jku", "zip", "cty"], 4)
        }
        refused(checker, by_hand(header, FULL, random.randbytes(32)))
    deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 100_000).decode()
    refused(checker, f"{deep}.e30.e30")


# ── what is remembered ───────────────────────────────────────────────────────────────────────────


class Changing:
    """A provider's keys, as they are at the moment."""

    def __init__(self, *keys: Key) -> None:
        self.keys = KeySet(keys)

    def renew(self) -> None:
        pass

    def find(self, algorithm: str, kid: str | None) -> KeySet:
        return self.keys


def test_a_checked_token_is_remembered_until_it_ends() -> None:
    clock = [time.time()]
    checker = Tokens(keys_of(Settings(jwt_secret=SECRET)), now=lambda: clock[0])
    shown = token(ttl=100)
    assert checker.known(shown) is None
    identity = checker.check(shown)
    assert checker.known(shown) is identity
    assert checker.check(shown) is identity
    clock[0] += 100 + SKEW_SECONDS - 1
    assert checker.known(shown) is identity
    clock[0] += 2
    assert checker.known(shown) is None


def test_what_is_remembered_is_bounded() -> None:
    checker = tokens()
    first = token(jti="first")
    checker.check(first)
    identity = checker.check(token(jti="any"))
    for number in range(REMEMBERED):
        checker._known[str(number)] = identity
    checker.check(token(jti="last"))
    assert len(checker._known) <= REMEMBERED + 2
    assert checker.known(first) is None


def test_a_key_that_the_provider_has_withdrawn_ends_the_tokens_that_it_had_checked() -> None:
    provider = Changing(Key.of(RSA.public_key(), "old"))
    checker = Tokens(KeySet(), source=provider)
    shown = token(RSA, kid="old")
    checker.check(shown)
    assert checker.known(shown)
    provider.keys = KeySet((Key.of(OTHER_RSA.public_key(), "new"),))
    assert checker.known(shown) is None
    assert refused(checker, shown) == NOT_VALID


def test_a_provider_s_key_never_checks_a_token_of_hs256() -> None:
    asked: list[str] = []

    class Watched(Changing):
        def find(self, algorithm: str, kid: str | None) -> KeySet:
            asked.append(algorithm)
            return self.keys

    checker = Tokens(KeySet(), source=Watched(Key.of(RSA.public_key())))
    refused(checker, token(SECRET))
    refused(checker, by_hand({"alg": "none"}, FULL))
    assert not asked, "nor is the provider asked for keys that it cannot have"


# ── settings that cannot be honoured ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        "not a key",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA",
        "{}",
        '{"a": 1}',
        '{"a"',
        pem(RSA) + "and more",
        f"a={pem(RSA)}a={pem(EC)}",
        pem(RSA).replace("PUBLIC", "PRIVATE"),
        pem(RSA)[:200] + pem(RSA)[210:],
    ],
)
def test_a_public_key_that_cannot_be_read_is_one_line_without_the_key(value: str) -> None:
    with pytest.raises(SettingError) as error:
        keys_of(Settings(jwt_public_key=value))
    line = str(error.value)
    assert line.startswith("HUB_JWT_PUBLIC_KEY") and "\n" not in line
    assert pem(RSA).splitlines()[1][:20] not in line


def test_keys_too_weak_or_of_a_kind_that_is_not_ours_are_refused() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ec.generate_private_key(ec.SECP521R1())
    for key in (small, curve):
        with pytest.raises(SettingError, match="HUB_JWT_PUBLIC_KEY"):
            keys_of(replace(Settings(), jwt_public_key=pem(key)))


# ── minting ──────────────────────────────────────────────────────────────────────────────────────


def test_a_minted_token_holds_what_was_asked_for_and_nothing_else() -> None:
    shown = mint(SECRET, ttl_seconds=60, subject="7", subscribe=["news"], generate=True)
    identity = tokens().check(shown)
    assert identity.subject == "7" and identity.jti
    assert identity.exp == pytest.approx(time.time() + 60, abs=5)
    assert identity.may(Action.SUBSCRIBE, "news") and identity.may(Action.GENERATE)
    assert not identity.may(Action.PUBLISH, "news") and not identity.may(Action.OPERATE)


def test_a_minted_token_suits_the_hub_s_audience_issuer_and_claim() -> None:
    checker = tokens(jwt_audience="a", jwt_issuer="i", jwt_claim="c")
    shown = mint(
        SECRET, ttl_seconds=60, publish=["x"], audience="a", issuer="i", claim="c", admin=True
    )
    identity: Identity = checker.check(shown)
    assert identity.may(Action.OPERATE)


@pytest.mark.parametrize(
    ("written", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800)]
)
def test_a_duration_is_a_number_with_its_unit(written: str, seconds: int) -> None:
    assert seconds_of(written) == seconds


@pytest.mark.parametrize("written", ["", "h", "1.5h", "-1h", "0", "1y", "1 h", "٣h", "1h30m"])
def test_what_is_no_duration_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        seconds_of(written)


def test_every_algorithm_of_the_tests_is_the_key_s_own() -> None:
    assert [algorithm_of(key) for key in (SECRET, RSA, EC, ED)] == [
        "HS256",
        "RS256",
        "ES256",
        "EdDSA",
    ]
