"""`make docs`: the pages as a site, each link of which leads somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deadline import patience
from tests.support.real import ROOT

pytestmark = pytest.mark.slow


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(site)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        command, cwd=source, env=env, capture_output=True, text=True, timeout=120 * patience()
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """What the site is made of, to be changed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "docs", "examples", "deploy", "*.md", "mkdocs.yml", "LICENSE"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_page_is_in_the_site_and_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stderr
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"README"}
    assert pages <= {path.stem for path in tmp_path.glob("*.html")}
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]*)', page.read_text()
        )
        assert loaded == [], page
    agent = tmp_path / "repository" / "examples" / "agent.py.html"
    assert "def page()" in re.sub("<[^>]*>", "", agent.read_text())


@pytest.mark.parametrize("link", ["nowhere.md", "settings.md#nothing", "../examples/nothing.py"])
def test_a_link_that_leads_nowhere_ends_it_in_words(copied: Path, link: str) -> None:
    with (copied / "docs" / "flows.md").open("a") as page:
        page.write(f"\n[somewhere]({link})\n")
    done = build(copied, copied / "site")
    assert done.returncode != 0
    assert link.split("/")[-1].partition("#")[2 if "#" in link else 0] in done.stdout + done.stderr
