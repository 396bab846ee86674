from __future__ import annotations

import pytest

from hub.identity import EVERYBODY, NOBODY, OPERATOR, Action, Grants, Identity, Patterns

GENERATION = "generation:abc"


@pytest.mark.parametrize(
    ("patterns", "channel", "matches"),
    [
        (["news"], "news", True),
        (["news"], "news2", False),
        (["news"], "new", False),
        (["news"], "News", False),
        (["user:7:*"], "user:7:inbox", True),
        (["user:7:*"], "user:7:", True),
        (["user:7:*"], "user:7", False),
        (["user:7:*"], "user:70", False),
        (["user:7:*"], "user:70:inbox", False),
        (["user:7*"], "user:70", True),
        (["*"], "news", True),
        (["*"], GENERATION, True),
        (["generation:*"], GENERATION, True),
        (["generation:*"], "news", False),
        (["gen*"], GENERATION, True),
        (["*:inbox"], "user:7:inbox", False),
        (["user:*:inbox"], "user:7:inbox", False),
        (["**"], "news", False),
        (["user:7:**"], "user:7:inbox", False),
        ([""], "news", False),
        ([""], "", False),
        (["*"], "", False),
        ([], "news", False),
        (["a", "b*"], "bc", True),
    ],
)
def test_only_a_star_at_the_end_stands_for_what_follows(
    patterns: list[str], channel: str, matches: bool
) -> None:
    assert Patterns.of(patterns).match(channel) is matches


READER = Identity("7", Grants(subscribe=Patterns.of(["news"])))
WRITER = Identity("7", Grants(publish=Patterns.of(["news"])))
ASKER = Identity("7", Grants(generate=True))
ADMIN = Identity("7", Grants(admin=True))


@pytest.mark.parametrize("action", [Action.SUBSCRIBE, Action.HISTORY, Action.INFORM])
def test_reading_a_channel_in_any_way_needs_its_subscribe_grant(action: Action) -> None:
    assert READER.may(action, "news")
    assert not READER.may(action, "sport")
    assert not WRITER.may(action, "news")
    assert not ASKER.may(action, "news")


def test_publishing_needs_its_own_grant() -> None:
    assert WRITER.may(Action.PUBLISH, "news")
    assert not WRITER.may(Action.PUBLISH, "sport")
    assert not READER.may(Action.PUBLISH, "news")


def test_generating_needs_its_own_grant() -> None:
    assert ASKER.may(Action.GENERATE)
    assert not READER.may(Action.GENERATE)
    assert not WRITER.may(Action.GENERATE)


@pytest.mark.parametrize("action", [Action.DELETE, Action.CANCEL, Action.SHARE, Action.OPERATE])
def test_no_grant_but_admin_reaches_what_others_have_made(action: Action) -> None:
    everything_else = Identity("7", Grants(Patterns.of("*"), Patterns.of("*"), generate=True))
    assert not everything_else.may(action, GENERATION)
    assert ADMIN.may(action, GENERATION)


@pytest.mark.parametrize("action", Action)
def test_an_open_hub_lets_everybody_do_everything_and_keys_let_nobody(action: Action) -> None:
    assert EVERYBODY.may(action, "news")
    assert not NOBODY.may(action, "news")


def test_only_the_one_without_a_token_at_a_hub_with_keys_is_unknown() -> None:
    assert not NOBODY.known
    assert EVERYBODY.known and OPERATOR.known and READER.known
    assert Identity().known, "a token without any grant is one all the same"


def test_what_nobody_made_belongs_to_nobody() -> None:
    assert READER.owns("7")
    assert not READER.owns("70")
    assert not READER.owns("")
    assert not NOBODY.owns("")
    assert not EVERYBODY.owns("")
