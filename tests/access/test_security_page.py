"""docs/security.md names a test for each rule, and each of them is there."""

from __future__ import annotations

import ast
import re

from tests.support.real import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| ([^|]+) \| `(tests/[\w/]+\.py)::(\w+)` \|$", PAGE, re.MULTILINE)


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_rule_has_a_test_that_there_is() -> None:
    missing = [f"{path}::{name}" for _, path, name in ROWS if name not in functions(path)]
    assert not missing


def test_every_test_of_who_may_stands_on_the_page() -> None:
    named = {name for _, _, name in ROWS}
    for path in ("tests/contract/test_who_may.py", "tests/contract/test_limits.py"):
        tests = {name for name in functions(path) if name.startswith("test_")}
        assert not tests - named, path
