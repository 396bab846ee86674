"""`make figures [TREE=…]`: what the source of a checkout is, counted. Reads files, runs nothing.

Another checkout (`git worktree add /tmp/before b6f6e12`) is counted by the same rules.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("hub", "workers", "hubbub")
HARD = (
    ("catch_up", "_bring"),
    ("listener", "lead", "advance"),
    ("listener", "fell_behind"),
    ("begin", "resume", "begin"),
    ("room", "_read_to_the_head"),
    ("room", "_sync"),
    ("room", "snapshot"),
    ("group", "_serve"),
    ("publisher", "_next"),
    ("claim", "_try"),
)
"""The ten hardest functions: the file's name, and the names that each has had."""


def main(root: Path) -> None:
    files = sorted(file for name in PACKAGES for file in (root / name).rglob("*.py"))
    trees = {_name(root, file): ast.parse(file.read_text()) for file in files}
    arrows = {name: set(_imports(tree, trees)) - {name} for name, tree in trees.items()}
    lines = sum(len(file.read_text().splitlines()) for file in files)
    protocols = [
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(b) for b in node.bases)
    ]
    print(f"{len(files)} files, {lines} lines of Python in {', '.join(PACKAGES)}")
    for package in PACKAGES:
        own = {
            n: {a for a in to if _top(a) == package}
            for n, to in arrows.items()
            if _top(n) == package
        }
        rooms = {n: {_folder(a) for a in to} for n, to in own.items()}
        folders: dict[str, set[str]] = {}
        for name, to in rooms.items():
            folders.setdefault(_folder(name), set()).update(to - {_folder(name)})
        if own:
            print(
                f"  {package}: {len(own)} files on {_floors(own)} floors,"
                f" {sum(map(len, own.values()))} arrows;"
                f" {len(folders)} folders, {sum(map(len, folders.values()))} arrows between them"
            )
    print(f"{len(protocols)} Protocols: {', '.join(protocols)}")
    callbacks = sorted(_callbacks(trees))
    print(f"{len(callbacks)} callback parameters: {', '.join(callbacks)}")
    comments, size = _comments(root)
    print(f"{100 * comments / max(1, size):.0f} % comment lines in {len(HARD)} hard functions")


def _name(root: Path, file: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _folder(name: str) -> str:
    return ".".join(name.split(".")[:2]) if name.count(".") > 1 else _top(name)


def _imports(tree: ast.Module, known: dict[str, ast.Module]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield from (n for n in [whole if whole in known else node.module] if n in known)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def _floors(arrows: dict[str, set[str]]) -> int:
    floor: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in floor:
            floor[name] = 1  # a circle, where there is one, counts once
            floor[name] = 1 + max((of(each) for each in arrows[name]), default=0)
        return floor[name]

    return max(map(of, arrows))


def _callbacks(trees: dict[str, ast.Module]) -> Iterator[str]:
    """Parameters of constructors in the delivery that are functions; clocks are none."""
    for name, tree in trees.items():
        delivery = name.startswith(("hub.fanout", "workers.run")) or name.count(".") == 1
        if not delivery or _top(name) == "hubbub":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                for arg in (*node.args.args, *node.args.kwonlyargs):
                    kind = ast.unparse(arg.annotation) if arg.annotation else ""
                    if kind.startswith("Callable[") and kind != "Callable[[], float]":
                        yield f"{name.rpartition('.')[2]}.{arg.arg}"


def _comments(root: Path) -> tuple[int, int]:
    comments = size = 0
    for file_name, *names in HARD:
        for file in sorted(
            (*root.glob(f"hub/**/{file_name}.py"), *root.glob(f"workers/**/{file_name}.py"))
        ):
            text = file.read_text()
            rows = text.splitlines()
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef) and node.name in names:
                    body = rows[node.lineno - 1 : node.end_lineno]
                    size += len(body)
                    comments += sum(" #" in row or row.lstrip().startswith("#") for row in body)
    return comments, size


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
