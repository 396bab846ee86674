"""What the pages of `docs/` show, for the tests that run it."""

from __future__ import annotations

import re

from tests.support.real import ROOT


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of `docs/PAGE` in a language, in order."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
