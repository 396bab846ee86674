"""Imports point one way, and the folders say which: a folder of `hub` or `workers` imports only
folders below it. Read from the source, so that a file that nothing runs is also held to it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.real import ROOT

OURS = ("hub", "workers", "hubbub", "app")

FLOORS = (
    "hub",
    "hub.store",
    "hub.fanout",
    "hub.access",
    "hub.client",
    "hub.web",
    "hub.flask_sse",
)
"""The hub's folders from the bottom up. The files at its top are values: no I/O, no folder."""

FRONT_DOORS = ("hub.__main__",)
"""Files at the top of `hub` that others come in by: they may use every floor."""

MAY_IMPORT = {
    "flask": (
        "hubbub.application",
        "hubbub.extension",
        "hubbub.mounted",
        "hubbub.openapi.views",
        "hub.web",
        "hub.flask_sse",
        "workers.views",
        "workers.thread_views",
        "workers.faces",
        "workers.openai",
        "workers.producers.views",
    ),
    "werkzeug": ("hub.web", "workers.views", "workers.thread_views", "workers.openai"),
    "gevent": ("hub.fanout", "hub.access", "hub.web", "hub.flask_sse", "workers"),
    "gunicorn": ("hub.web", "hubbub.gunicorn_program", "hubbub.gunicorn_conf"),
    "redis": (
        "hub.store",
        "hub.client.subscription",
        "hub.flask_sse",
        "hub.fanout.feed_connection",
        "workers.queue",
        "workers.run",
    ),
    "hiredis": (
        "hub.fanout.feed_connection",
        "hub.store.bare",
        "hub.store.pipe",
        "hub.store.redis_link",
    ),
    "requests": ("workers.provider", "hub.client", "hub.access.jwks"),
    "click": ("hubbub.commands", "hubbub.extension"),
    "jwt": ("hub.access",),
    "limits": ("hub.access.limits",),
    "opentelemetry": ("workers.telemetry.otlp", "workers.telemetry.otlp_metrics"),
}
"""Libraries that leave their mark on whatever touches them, and who may: a module or a folder."""

Imports = frozenset[tuple[str, int]]


@cache
def sources() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    files = [ROOT / "app.py"]
    for package in ("hub", "workers", "hubbub"):
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


def floor(module: str) -> str:
    """The folder of a module of the hub; `hub` itself for the values."""
    parts = module.split(".")
    return ".".join(parts[:2]) if ".".join(parts[:2]) in FLOORS else "hub"


def places(module: str) -> Iterator[str]:
    """The names under which `MAY_IMPORT` may mean this module."""
    parts = module.split(".")
    yield from (".".join(parts[:size]) for size in range(1, len(parts) + 1))


def test_every_folder_of_the_hub_has_its_floor() -> None:
    folders = {f"hub.{path.parent.name}" for path in (ROOT / "hub").glob("*/__init__.py")}
    assert folders == set(FLOORS) - {"hub"}


def test_no_folder_of_the_hub_imports_one_above_it() -> None:
    height = {name: number for number, name in enumerate(FLOORS)}
    upwards = [
        f"{module}:{line} imports {name}"
        for module in sources()
        if module.startswith("hub.") and module not in FRONT_DOORS
        for name, line in imports(module)
        if name.startswith("hub.") and height[floor(name)] > height[floor(module)]
    ]
    assert not upwards


def test_the_hub_has_never_heard_of_workers_nor_of_what_starts_it() -> None:
    above = ("workers", "app", "hubbub", "tests")
    heard = [
        f"{module}:{line} imports {name}"
        for module in sources()
        # Faces of the package name for type checkers what they hand out.
        for name, line in imports(module, at_run_time=module in ("hub", "hub.testing"))
        if module.split(".")[0] == "hub"
        and name.split(".")[0] in above
        and (module, name) != ("hub.__main__", "hubbub.command")  # `python -m hub` is `hubbub`
    ]
    assert not heard


def test_workers_do_not_know_what_joins_and_starts_them() -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in sources()
        for name, line in imports(module)
        if module.split(".")[0] == "workers" and name.split(".")[0] in ("app", "hubbub", "tests")
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


def test_the_launcher_and_its_parts_know_of_the_libraries_only_settings_keys_and_logs() -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in sources()
        for name, line in imports(module)
        if module.startswith(("hubbub.parts", "hubbub.launcher"))
        and name.split(".")[0] in OURS
        and not name.startswith(
            (
                *("hubbub.parts", "hubbub.place", "hubbub.configuration"),
                *("hub.settings", "hub.access.keys", "hub.showing", "hub.logs"),
            )
        )
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


def test_every_name_in_redis_is_made_in_one_place() -> None:
    """Several hubs share a Redis: a name without their prefix would be everybody's."""
    elsewhere = [
        f"{module}:{node.lineno}"
        for module in sources()
        if module != "hub.store.keys"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.startswith("hub:{")
    ]
    assert not elsewhere


def test_no_file_is_a_drawer_for_the_rest() -> None:
    drawers = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert not [name for name in sources() if drawers & set(name.split("."))]


def test_the_command_imports_nothing_before_it_knows_which_word_was_said() -> None:
    """A server patches the process with gevent; what came in before that stays half patched."""
    allowed = {"__future__", "os", "sys", "collections.abc", "importlib"}
    assert {name for name, _ in imports("hubbub.command")} <= allowed
