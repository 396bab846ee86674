"""docs/security.md lists each rule beside its test; the tests write the list, and hold it."""

from __future__ import annotations

import ast
import os
import re

from tests.support.real import ROOT

PAGE = ROOT / "docs" / "security.md"
BEGIN, END = (
    "<!-- rules: written by tests/access/test_security_page.py -->",
    "<!-- end of rules -->",
)

SECTIONS = {
    "The way in: hosts, origins, proxies": [
        "tests/contract/test_way_in.py",
        "tests/unit/test_proxies.py",
        "tests/browser/test_foreign_pages.py",
        "tests/contract/test_both_ways.py",
    ],
    "Tokens": ["tests/access/test_tokens.py", "tests/contract/test_forged_tokens.py"],
    "Keys of an identity provider": ["tests/access/test_jwks.py"],
    "Grants, on both ways in": ["tests/access/test_routes.py", "tests/contract/test_who_may.py"],
    "Limits": [
        "tests/contract/test_limits.py",
        "tests/contract/test_limits_together.py",
        "tests/contract/test_limit_edges.py",
        "tests/contract/test_bodies.py",
    ],
    "Ends, whatever breaks": [
        "tests/access/test_endings.py",
        "tests/access/test_revocations.py",
        "tests/faults/test_tokens.py",
    ],
    "Operation": ["tests/operations/test_keys.py", "tests/test_private.py"],
    "Pages, in Chromium": ["tests/browser/test_session.py"],
}

NAMES = {
    name.lower(): name
    for name in (
        "Redis",
        "JSON",
        "HTTP",
        "TLS",
        "HS256",
        "PEM",
        "OpenAI",
        "Origin",
        "NUL",
        "Valkey",
    )
}
"""A test's name is in small letters."""


def rule(name: str) -> str:
    """The sentence that a test's name is."""
    words = re.sub(r"_s_(?=\w)|_s$", "'s_", name.removeprefix("test_")).rstrip("_").split("_")
    text = " ".join(NAMES.get(word, word) for word in words)
    return text[0].upper() + text[1:]


def named_in(path: str) -> list[str]:
    tree = ast.parse((ROOT / path).read_text())
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in names if name.startswith("test_")]


def table() -> str:
    lines: list[str] = []
    for section, paths in SECTIONS.items():
        lines += [f"### {section}", "", "| rule | test |", "| --- | --- |"]
        lines += [
            f"| {rule(name)} | `{path}::{name}` |" for path in paths for name in named_in(path)
        ]
        lines.append("")
    return "\n".join(lines)


def test_the_page_lists_each_rule_beside_its_test() -> None:
    """`WRITE_SECURITY_RULES=1` writes the list anew."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    written, _, after = rest.partition(END)
    assert after, "the list has its place"
    if os.environ.get("WRITE_SECURITY_RULES"):
        written = f"\n\n{table()}\n"
        PAGE.write_text(f"{before}{BEGIN}{written}{END}{after}")
    assert written == f"\n\n{table()}\n"


def test_a_rule_is_read_from_a_test_s_name() -> None:
    assert rule("test_another_s_chat_is_not_there_while_redis_is") == (
        "Another's chat is not there while Redis is"
    )
    assert rule("test_it_is_the_owner_s") == "It is the owner's"
