"""docs/generators.md: what it shows is run as it stands."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.testing import answer_of
from tests.support.documentation import blocks
from tests.support.stack import Stack

FIRST, IN_THREAD, TRIED = blocks("generators.md", "python")


@pytest.fixture
def mypackage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's first file in its place."""
    assert FIRST.startswith("# mypackage/agent.py\n")
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "agent.py").write_text(FIRST)
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "mypackage"]:
        del sys.modules[name]


def test_the_page_s_generator_answers_as_the_page_says(mypackage: Path) -> None:
    exec(compile(TRIED, "docs/generators.md", "exec"), {"__name__": "docs"})


def test_one_that_computes_may_be_marked_as_the_page_says() -> None:
    names: dict[str, Any] = {"__name__": "docs", "expensive": str.upper}
    exec(compile(IN_THREAD, "docs/generators.md", "exec"), names)

    assert answer_of(names["answer"], "x").text == "X"


@pytest.mark.slow
def test_the_page_s_worker_answers_with_it(mypackage: Path, stack: Callable[..., Stack]) -> None:
    (setting,) = re.findall(
        r"^HUB_GENERATORS=(agent=mypackage\S+)",
        "".join(blocks("generators.md", "sh")),
        re.MULTILINE,
    )
    hub = stack({"HUB_GENERATORS": setting, "PYTHONPATH": str(mypackage.parent)})

    record = hub.finished(hub.generate("Why is the sea salty?", model="agent"))

    assert record["choices"][0]["content"] == "The sea is salty."
