"""docs/settings.md names every setting with its true default."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from hub.settings import Settings
from tests.support.real import ROOT


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_page_of_settings_names_each_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", text, re.MULTILINE))
    defaults = Settings()
    names = {field.metadata["name"]: getattr(defaults, field.name) for field in fields(Settings)}
    assert set(rows) == set(names)
    for name, default in names.items():
        if default not in (None, "", (), {}):
            assert rows[name] == f"`{shown(default)}`", name
