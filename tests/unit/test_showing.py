"""What people are shown holds no password, and nothing that a terminal would obey."""

from __future__ import annotations

import pytest

from hub.showing import printable, without_passwords


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
        ("rediss://me:secret@h/0", "rediss://me:***@h/0"),
        ("redis://h/0", "redis://h/0"),
        ("unix:///tmp/s?db=1&password=secret", "unix:///tmp/s?db=1&password=***"),
        (
            "redis+sentinel://a:secret@h:1,i:2/hub/0?sentinel_password=other&sentinel_username=w",
            "redis+sentinel://a:***@h:1,i:2/hub/0?sentinel_password=***&sentinel_username=w",
        ),
    ],
)
def test_a_shown_address_has_no_password(url: str, shown: str) -> None:
    assert without_passwords(url) == shown


def test_a_sentence_with_an_address_keeps_the_rest_of_its_words() -> None:
    text = "at redis://:s3cret@h:1/0, and see https://example.org/a:b@c"
    assert without_passwords(text) == "at redis://:***@h:1/0, and see https://example.org/a:b@c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode, 日本, 🙂", "plain, ünïcode, 日本, 🙂"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("over\rwritten", "over\\rwritten"),
        ("back\x08space", "back\\x08space"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("no-break\u00a0space", "no-break\u00a0space"),
    ],
)
def test_a_terminal_is_shown_control_characters_and_not_sent_them(text: str, shown: str) -> None:
    assert printable(text) == shown
