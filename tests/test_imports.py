"""Imports point one way: values ← redis ← delivery ← views ← app, and `workers` → `hub`.

Read from the source, so that a file that nothing runs is also held to it. Who adds a file to `hub`
says here in which layer it lives.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.real import ROOT

OURS = ("hub", "workers", "stack", "standalone", "app")

LAYERS = ("values", "redis", "delivery", "views")
HUB = {
    "values": "errors number query settings channel cursor event sse timestamp logs metrics",
    "redis": "redis_client redis_link announcement frame history kind segment batch subscription "
    "hub",
    "delivery": "wire feed_connection feed listener group memory room catch_up begin presence "
    "wheel delivery takeover transport stream",
    "views": "views answer json_answer publishing health cors pages problems flask_sse remote "
    "doctor",
}

MAY_IMPORT = {
    "flask": (
        "app",
        "hub.views-layer",
        "workers.views",
        "workers.openai_api",
        "workers.responses_api",
        "workers.pages",
    ),
    "werkzeug": ("hub.views-layer", "workers.views", "workers.openai_api"),
    "gevent": ("hub.delivery-layer", "workers"),
    "gunicorn": ("hub.takeover", "hub.answer"),
    "redis": ("hub.redis-layer", "workers.queue", "workers.pipe"),
    "hiredis": ("hub.feed_connection", "workers.pipe"),
    "requests": ("workers.provider", "hub.remote"),
}
"""Libraries that leave their mark on whatever touches them, and who may: a module, a package, or a
layer of the hub."""

Imports = frozenset[tuple[str, int]]


def sources() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    files = [ROOT / "app.py", ROOT / "standalone.py"]
    for package in ("hub", "workers", "stack"):
        files += sorted((ROOT / package).rglob("*.py"))
    return {_module(file): file for file in files}


def _module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(sources()[module].read_text(), filename=str(sources()[module]))


def _for_types_alone(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


@cache
def imports(module: str, *, at_run_time: bool = False) -> Imports:
    """The modules that `module` imports, and in which line. `from hub import sse` is `hub.sse`.

    `at_run_time` leaves out what is imported for annotations.
    """
    known = sources()
    found: set[tuple[str, int]] = set()
    nodes = list(ast.walk(tree(module)))
    if at_run_time:
        unused = {id(inner) for node in nodes if _for_types_alone(node) for inner in ast.walk(node)}
        nodes = [node for node in nodes if id(node) not in unused]
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {(alias.name, node.lineno) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: name the package"
            base = node.module or ""
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add((whole if whole in known else base, node.lineno))
    return frozenset(found)


def layer(module: str) -> str | None:
    name = module.removeprefix("hub.")
    return next((layer for layer, names in HUB.items() if name in names.split()), None)


def places(module: str) -> Iterator[str]:
    """The names under which `MAY_IMPORT` may mean this module."""
    parts = module.split(".")
    yield from (".".join(parts[:size]) for size in range(1, len(parts) + 1))
    if parts[0] == "hub" and layer(module):
        yield f"hub.{layer(module)}-layer"


def hub_modules() -> list[str]:
    commands = ("hub", "hub.__main__")  # the package's face and the command line use all layers
    return [name for name in sources() if name.startswith("hub.") and name not in commands]


def test_every_module_of_the_hub_lives_in_one_layer() -> None:
    homeless = [name for name in hub_modules() if layer(name) is None]
    assert not homeless, f"say in tests/test_imports.py in which layer they live: {homeless}"
    named = [f"hub.{name}" for names in HUB.values() for name in names.split()]
    assert sorted(named) == sorted(set(named))
    assert not set(named) - set(sources()), "these are gone"


def test_no_layer_of_the_hub_imports_one_above_it() -> None:
    height = {name: number for number, name in enumerate(LAYERS)}
    upwards = [
        f"{module}:{line} ({layer(module)}) imports {name} ({layer(name)})"
        for module in hub_modules()
        for name, line in imports(module)
        if layer(module) and layer(name) and height[layer(module)] < height[layer(name)]  # type: ignore[index]
    ]
    assert not upwards


def test_the_hub_has_never_heard_of_workers_nor_of_what_starts_it() -> None:
    above = ("workers", "app", "standalone", "stack", "tests")
    heard = [
        f"{module}:{line} imports {name}"
        for module in sources()
        for name, line in imports(module)
        if module.split(".")[0] == "hub" and name.split(".")[0] in above
    ]
    assert not heard


def test_workers_do_not_know_what_joins_and_starts_them() -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in sources()
        for name, line in imports(module)
        if module.split(".")[0] == "workers"
        and name.split(".")[0] in ("app", "standalone", "stack", "tests")
    ]
    assert not wrong


def test_the_provider_knows_nothing_of_generations_and_channels() -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in sources()
        for name, line in imports(module)
        if module.startswith("workers.provider")
        and name.startswith("workers.")
        and not name.startswith("workers.provider")
    ]
    assert not wrong


def test_the_launcher_s_parts_import_only_the_settings() -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in sources()
        for name, line in imports(module)
        if module.split(".")[0] in ("stack", "standalone")
        and name.split(".")[0] in OURS
        and not name.startswith(("stack", "hub.settings"))
    ]
    assert not wrong


def test_there_is_no_circle() -> None:
    """Objects of one layer may know each other's types, and no more."""
    known = sources()
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for name, _ in sorted(imports(module, at_run_time=True)):
            # A package's face is imported with each of its modules; it may name them.
            if name in known and name != module.partition(".")[0]:
                visit(name, (*path, module))
        done.add(module)

    for module in known:
        visit(module, ())


@pytest.mark.parametrize("library", MAY_IMPORT)
def test_a_library_is_imported_only_where_it_is_at_home(library: str) -> None:
    elsewhere = [
        f"{module}:{line}"
        for module in sources()
        for name, line in imports(module)
        if name.split(".")[0] == library and not set(places(module)) & set(MAY_IMPORT[library])
    ]
    assert not elsewhere, f"{library} may be imported by {MAY_IMPORT[library]}"


def test_nothing_is_imported_inside_a_function() -> None:
    inside = {
        f"{module}:{node.lineno}"
        for module in sources()
        for function in ast.walk(tree(module))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not inside


def test_no_file_is_a_drawer_for_the_rest() -> None:
    drawers = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert not [name for name in sources() if drawers & set(name.split("."))]
