"""What a value from outside must look like, declared once: a shape is a `msgspec.Struct`.

`shaped` holds a value to its shape and names what is wrong as the caller wrote it
(`messages[2].content`); `schemas` shows the same declaration as JSON Schema, for `/openapi.json`.

A type that needs words of its own is `Annotated` with `a(…)`: they follow "must be" in an error,
and are the schema's description. What msgspec has no word for (one member or another, a member that
one type of part needs) stands in the shape's `beyond` as JSON Schema, and is checked by hand where
the shape is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
)
from typing import get_type_hints as hints_of

import msgspec
from msgspec import Meta

from hub.errors import FieldError

T = TypeVar("T")

# What a caller wrote may stand in the problem; behind it comes the path, which is msgspec's.
_TOLD = re.compile(
    r"(?P<problem>.*) - at (?P<key>`key` in )?`\$(?P<path>(?:\.\w+|\[\d+\]|\[\.\.\.\])*)`",
    re.DOTALL,
)
_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]|\[\.\.\.\]")
_MISSING = re.compile(r"Object missing required field `(?P<name>\w+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `")
_KINDS: Mapping[Any, str] = {
    str: "a string", int: "a whole number", float: "a number", bool: "true or false",
    dict: "an object", list: "a list",
}  # fmt: skip


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """An object. Members that it does not name are passed over. `words`: what it must be, where a
    wrong member is told as a fault of the whole."""

    beyond: ClassVar[Mapping[str, Any]] = {}
    words: ClassVar[str] = ""


class ClosedShape(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object in which a member that it does not name is an error."""


def a(
    words: str,
    *,
    code: str | None = None,
    schema: Mapping[str, Any] | None = None,
    **constraints: Any,
) -> Meta:
    """What stands behind "must be" where a value is none of the type that this annotates, and the
    error's `code` where it has one of its own. `constraints` are msgspec's (`ge`, `max_length`);
    `schema` is what JSON Schema says and code checks."""
    told = {"description": f"{words[:1].upper()}{words[1:]}.", **(schema or {})}
    return Meta(extra={"words": words, "code": code}, extra_json_schema=told, **constraints)


def shaped(value: object, kind: type[T], within: str = "") -> T:
    """The value as `kind`. Raises `FieldError`, whose field stands behind `within` (`line 3`)."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _field_error(str(error), value, kind, within) from None


def schemas(kinds: Sequence[type[Shape]], place: str) -> Mapping[str, Mapping[str, Any]]:
    """JSON Schema of these shapes and of all that they name, by their names. `place`: where a
    reference finds them (`#/components/schemas/{name}`)."""
    _, found = msgspec.json.schema_components(kinds, ref_template=place)
    shapes: dict[str, type[Shape]] = {}
    for kind in kinds:
        _collect(kind, shapes)
    return {name: {**schema, **shapes[name].beyond} for name, schema in found.items()}


def _collect(kind: Any, found: dict[str, type[Shape]]) -> None:
    if _is_shape(kind):
        if kind.__name__ in found:
            return
        found[kind.__name__] = kind
        inner: Sequence[Any] = list(_members(kind).values())
    else:
        inner = get_args(kind)
    for each in inner:
        _collect(each, found)


@cache
def _members(kind: type[Shape]) -> Mapping[str, Any]:
    found = hints_of(kind, include_extras=True)
    return {name: each for name, each in found.items() if get_origin(each) is not ClassVar}


# ── what is wrong, in words ──────────────────────────────────────────────────────────────────────


def _field_error(problem: str, value: Any, kind: Any, within: str) -> FieldError:
    unknown = _UNKNOWN.match(problem) is not None
    if unknown and (strangers := _strangers(value, kind)):
        return _not_a_field(within, strangers)
    field, path, key = within, "", False
    told = _TOLD.fullmatch(problem)
    if told is not None:
        problem, path, key = told["problem"], told["path"], told["key"] is not None
    for step in _STEP.finditer(path):
        if step["index"] is not None:
            at = int(step["index"])
            value, field, kind = value[at], f"{field}[{at}]", _inner(kind, list)
            continue
        name = step["name"]
        if name is None:  # msgspec does not say which value of a dictionary is wrong
            kind = _inner(kind, dict)
            name = next(name for name, each in value.items() if not _fits(each, kind))
        elif _as_a_whole(kind):
            break
        else:
            kind = _member(kind, name, value)
        value, field = value.get(name), _join(field, name)
    if key:
        return FieldError(field or "body", "has a member whose name is too long")
    if unknown:
        return _not_a_field(field, _strangers(value, kind))
    missing = _MISSING.fullmatch(problem)
    if missing is not None and not _as_a_whole(kind):
        return FieldError(_join(field, missing["name"]), "is missing")
    words, code = _words(kind)
    return FieldError(field or "body", f"must be {words}", code=code)


def _not_a_field(field: str, strangers: Sequence[str]) -> FieldError:
    return FieldError(_join(field, strangers[0]), "is not a field here")


def _as_a_whole(kind: Any) -> bool:
    return any(_is_shape(each) and each.words for each, _ in _options(kind))


def _is_shape(kind: Any) -> TypeGuard[type[Shape]]:
    return isinstance(kind, type) and issubclass(kind, Shape)


def _strangers(value: object, kind: Any) -> list[str]:
    """The members of a value that its closed shape does not name. msgspec quotes one of them, and
    it may look like anything."""
    if not isinstance(value, Mapping):
        return []
    found: list[str] = []
    for each, _ in _options(kind):
        if _is_shape(each) and each.__struct_config__.forbid_unknown_fields:
            found += [name for name in value if name not in _members(each)]
    return found


def _join(field: str, name: str) -> str:
    return f"{field}.{name or repr(name)}" if field else name or repr(name)


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _options(kind: Any, said: Mapping[str, Any] | None = None) -> Iterator[tuple[Any, Any]]:
    """The types that a value may have here, without their annotations, and what was said of it."""
    origin = get_origin(kind)
    if origin is Annotated:
        kind, *notes = get_args(kind)
        for note in notes:
            said = (note.extra if isinstance(note, Meta) else None) or said
        yield from _options(kind, said)
    elif origin in (Union, UnionType):
        for each in get_args(kind):
            yield from _options(each, said)
    else:
        yield kind, said


def _inner(kind: Any, of: type) -> Any:
    """The type of the items of a list, or of the values of a dictionary."""
    found = [get_args(each)[-1] for each, _ in _options(kind) if get_origin(each) is of]
    return Union[tuple(found)]  # noqa: UP007


def _member(kind: Any, name: str, value: Mapping[str, Any]) -> Any:
    """The type of a member of this object, where its tag tells which of several shapes it has."""
    found: list[Any] = []
    for each, _ in _options(kind):
        if not _is_shape(each):
            continue
        config = each.__struct_config__
        if config.tag_field == name:
            found.append(Literal[config.tag])
        elif config.tag_field is None or value.get(config.tag_field) == config.tag:
            found.append(_members(each)[name])
    return Union[tuple(found)]  # noqa: UP007


def _words(kind: Any) -> tuple[str, str | None]:
    found: dict[str, None] = {}
    names: list[str] = []
    code = None
    for each, said in _options(kind):
        if said:
            found[said["words"]], code = None, said["code"]
        elif get_origin(each) is Literal:
            names += map(str, get_args(each))
        elif _is_shape(each) and each.words:
            found[each.words] = None
        elif each not in (NoneType, msgspec.UnsetType):
            found[_KINDS.get(get_origin(each) or each, "an object")] = None
    if names:
        found[f"one of {', '.join(names)}" if names[1:] else repr(names[0])] = None
    return " or ".join(found), code
