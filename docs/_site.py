"""For mkdocs: what the pages link to outside docs/ becomes a page of the site, too.

Files are linked here as a reader of the repository finds them (`../examples/agent.py`). A Markdown
file is shown as one, a folder as the list of its files, anything else as code. So a link that leads
nowhere is one in the repository, too, and ends `make docs`.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
_LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config: Any) -> Files:
    """Add a page for everything that is linked, from whatever page of the site."""
    made: set[str] = set()
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        if not page.endswith(".md"):
            continue
        for _, target, _ in _LINK.findall((ROOT / page).read_text()):
            path = _path(page, target)
            if path.startswith("docs/") or path in made:
                continue
            made.add(path)
            waiting.append(path)
            files.append(File.generated(config, _uri(path), content=_content(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as the site has them. What was added is relative to the repository already."""
    if page.file.src_uri.startswith("repository/"):
        return markdown
    return _relinked(markdown, f"docs/{page.file.src_uri}")


def _content(path: str) -> str:
    where = ROOT / path
    if where.is_dir():
        names = sorted(child.name for child in where.iterdir() if child.is_file())
        return f"# {path}\n\n" + "\n".join(f"- `{name}`" for name in names)
    if not where.is_file():
        raise PluginError(f"a page links to {path}, and there is none")
    text = where.read_text()
    if path.endswith(".md"):
        return _relinked(text, path)
    fence = "`" * 4
    return f"# {path}\n\n{fence}{where.suffix[1:]}\n{text}{fence}\n"


def _relinked(text: str, page: str) -> str:
    def site(link: re.Match[str]) -> str:
        uri = _uri(_path(page, link[2]))
        return link[1] + posixpath.relpath(uri, posixpath.dirname(_uri(page))) + link[3]

    return _LINK.sub(site, text)


def _path(page: str, target: str) -> str:
    """Where a link of `page` leads, from the top of the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def _uri(path: str) -> str:
    """Where a file of the repository is in the site's sources."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    shown = f"repository/{path}"
    return shown if path.endswith(".md") else f"{shown}.md"
