"""A shape names what is wrong as the caller wrote it, and shows the same as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators

from hub.errors import FieldError
from hub.event import NewEvent
from hub.shape import ClosedShape, Shape, a, schemas, shaped
from hub.web.sessions import SignIn
from workers.faces.ai_sdk import Chat
from workers.faces.run_input import ConnectInput, RunAgentInput
from workers.openai.chat_request import ChatRequest
from workers.openai.embeddings import EmbeddingsRequest
from workers.openai.responses_request import ResponseRequest
from workers.producers.lines import CompletedLine, DataLine, FailedLine, UsageLine
from workers.provider.config import ProviderEntry
from workers.request import NewGeneration
from workers.thread_views import Rename
from workers.views import ShareOptions

SHAPES: tuple[type[Shape], ...] = (
    NewEvent, NewGeneration, ChatRequest, ResponseRequest, EmbeddingsRequest, Chat, RunAgentInput,
    ConnectInput, SignIn, Rename, ShareOptions, CompletedLine, DataLine, FailedLine, UsageLine,
    ProviderEntry,
)  # fmt: skip


class Leaf(Shape, frozen=True):
    kind: str

    words: ClassVar[str] = "a leaf with a kind"


class Oak(Shape, frozen=True, tag_field="tree", tag="oak"):
    acorns: int
    leaves: list[Leaf] | None = None


class Fir(Shape, frozen=True, tag_field="tree", tag="fir"):
    cones: int | None = None


class Wood(ClosedShape, frozen=True, kw_only=True):
    trees: Annotated[list[Oak | Fir], a("a list of at least one tree", min_length=1)]
    age: Annotated[int, a("a whole number of years", ge=0, code="too-young")] | None = None
    owner: str | list[str] | None = None
    state: Literal["green", "bare"] | None = None
    paths: dict[str, Annotated[str, a("a short way", max_length=3)]] | None = None

    beyond: ClassVar[Mapping[str, Any]] = {"minProperties": 1}


OAK = {"tree": "oak", "acorns": 1}


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ([], "body: must be an object"),
        ({}, "trees: is missing"),
        ({"trees": [OAK], "fence": 1}, "fence: is not a field here"),
        ({"trees": [OAK], "": 1}, "'': is not a field here"),
        (
            {"trees": [OAK], "x` - at `$.trees[5].a": 1},
            "x` - at `$.trees[5].a: is not a field here",
        ),
        ({"trees": [OAK], "state": "x' - at `$.a[7]"}, "state: must be one of green, bare"),
        ({"trees": []}, "trees: must be a list of at least one tree"),
        ({"trees": [{"tree": "elm"}]}, "trees[0].tree: must be one of oak, fir"),
        ({"trees": [OAK, {}]}, "trees[1].tree: is missing"),
        ({"trees": [OAK, 7]}, "trees[1]: must be an object"),
        ({"trees": [{"tree": "oak"}]}, "trees[0].acorns: is missing"),
        ({"trees": [{"tree": "fir", "cones": "x"}]}, "trees[0].cones: must be a whole number"),
        ({"trees": [{**OAK, "leaves": [{}]}]}, "trees[0].leaves[0]: must be a leaf with a kind"),
        (
            {"trees": [{**OAK, "leaves": [{"kind": 1}]}]},
            "trees[0].leaves[0]: must be a leaf with a kind",
        ),
        ({"trees": [OAK], "age": -1}, "age: must be a whole number of years"),
        ({"trees": [OAK], "age": True}, "age: must be a whole number of years"),
        ({"trees": [OAK], "owner": 1}, "owner: must be a string or a list"),
        ({"trees": [OAK], "owner": ["x", 1]}, "owner[1]: must be a string"),
        ({"trees": [OAK], "state": "red"}, "state: must be one of green, bare"),
        ({"trees": [OAK], "paths": {"a": "x", "b.c": "long"}}, "paths.b.c: must be a short way"),
    ],
)
def test_an_error_names_its_field_and_what_it_must_be(value: object, detail: str) -> None:
    with pytest.raises(FieldError) as refused:
        shaped(value, Wood)
    assert refused.value.detail == detail
    with pytest.raises(FieldError) as refused:
        shaped(value, Wood, "line 3")
    assert refused.value.detail == f"line 3.{detail}".replace("line 3.body:", "line 3:")


def test_a_closed_shape_may_stand_in_an_open_one() -> None:
    body = {"messages": [{"role": "user", "content": ""}], "seed": 1, "hubbub": {"salt": 1}}
    with pytest.raises(FieldError) as refused:
        shaped(body, ChatRequest)
    assert refused.value.field == "hubbub.salt"


def test_a_type_may_have_a_code_of_its_own() -> None:
    with pytest.raises(FieldError) as refused:
        shaped({"trees": [OAK], "age": -1}, Wood)
    assert (refused.value.field, refused.value.code) == ("age", "too-young")


def test_the_schema_is_of_all_shapes_and_has_what_stands_beside_them() -> None:
    found = schemas([Wood], "#/{name}")
    assert set(found) == {"Wood", "Oak", "Fir", "Leaf"}
    assert found["Wood"]["minProperties"] == 1
    assert found["Wood"]["additionalProperties"] is False


NAMES = sorted({name for shape in SHAPES for name in shape.__struct_fields__} | {"role", "type"})
TEXTS = st.sampled_from(["", "x", "user", "assistant", "tool", "text", "function", "client", "a.b"])
LEAVES = st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
        | st.dictionaries(TEXTS, inner, max_size=2)
    ),
    max_leaves=12,
)


# JSON Schema takes 1.0 for an integer, msgspec does not.
_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    ),
)


@cache
def _validator(kind: type[Shape]) -> Any:
    told = schemas([kind], "#/$defs/{name}")
    return _Validator({"$ref": f"#/$defs/{kind.__name__}", "$defs": told})


@pytest.mark.parametrize("kind", SHAPES, ids=lambda kind: kind.__name__)
@given(value=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6) | VALUES)
def test_whatever_comes_it_is_taken_or_a_field_is_named(kind: type[Shape], value: object) -> None:
    try:
        shaped(value, kind)
    except FieldError as error:
        assert error.field
        assert not _validator(kind).is_valid(value)
