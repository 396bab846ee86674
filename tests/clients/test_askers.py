"""What programs do with us that are built on clients of OpenAI's interface: the text, tools called
with whole arguments, objects of a given shape, and failures that none takes for an answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.clients.asker import Asker, Kind, Said
from tests.clients.table import Section, npm, pinned, pypi
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, deltas_of, text_for
from tests.support.real import ROOT
from tests.support.shared import Shared

KINDS = (
    Kind("langchain_python.py", "langchain-openai"),
    Kind("langchain_python.py", "langchain-openai", "responses"),
    Kind("instructor_python.py", "instructor", cannot=("text", "tools")),
    Kind("litellm_python.py", "litellm", cannot=("shaped",)),
    Kind("pydantic_ai_python.py", "pydantic-ai-slim"),
    Kind("pydantic_ai_python.py", "pydantic-ai-slim", "responses"),
    Kind("openai_agents_python.py", "openai-agents", cannot=("shaped",)),
    Kind("openai_agents_python.py", "openai-agents", "responses", cannot=("shaped",)),
    Kind("llm_python.py", "llm", cannot=("shaped", "leave")),
    Kind("openai_node.mjs", "openai"),
    Kind("openai_node.mjs", "openai", "responses"),
    Kind("langchain_node.mjs", "@langchain/openai"),
    Kind("langchain_node.mjs", "@langchain/openai", "responses"),
    Kind("ai_sdk_node.mjs", "@ai-sdk/openai"),
    Kind("ai_sdk_node.mjs", "@ai-sdk/openai", "responses"),
    Kind("ai_sdk_node.mjs", "@ai-sdk/openai-compatible", "compatible"),
)
CITY = "Sankt Pölten \U0001f3d4 " + "x" * 200
ZONE = 'Europe/"Vienna"'
PERSON = {"name": "Ada Lovelace, Countess", "age": 36}


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture(scope="module")
def asker(
    kind: Kind, whole_package: Shared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asker]:
    folder: Path = tmp_path_factory.mktemp("asker")
    with closing(Asker(kind, whole_package.hub.url, folder)) as running:
        yield running


def those_that(what: str = "") -> pytest.MarkDecorator:
    """Each client that has such a thing."""
    able = [kind for kind in KINDS if what not in kind.cannot]
    return pytest.mark.parametrize("kind", able, ids=str, indirect=True, scope="module")


def chunk(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}


def call(index: int, arguments: str, **first: Any) -> dict[str, Any]:
    named = {"id": first["id"], "type": "function"} if first else {}
    function = {"name": first["name"]} if first else {}
    return {"index": index, **named, "function": {**function, "arguments": arguments}}


def two_calls() -> Script:
    """Both in pieces, by turns, and two pieces of one call in the same chunk."""
    city = f'{{"city":"{CITY}"}}'
    zone = '{"zone":"Europe/\\"Vienna\\""}'
    pieces = zip(deltas_of(city, len(city) // 9), deltas_of(zone, 3), strict=False)
    taken = [(one, two) for one, two in pieces]
    one_left = city[sum(len(one) for one, _ in taken) :]
    two_left = zone[sum(len(two) for _, two in taken) :]
    return Script(
        chunks=[
            chunk(tool_calls=[call(0, "", id="call_1", name="weather")]),
            chunk(tool_calls=[call(1, "", id="call_2", name="clock")]),
            *(chunk(tool_calls=[call(0, one), call(1, two)]) for one, two in taken),
            chunk(tool_calls=[call(0, one_left[:2]), call(0, one_left[2:]), call(1, two_left)]),
            chunk("tool_calls"),
            "[DONE]",
        ]
    )


def shaped(kind: Kind) -> Script:
    """An object as the client wants it: text, or for instructor a tool's arguments."""
    text = '{"name":"Ada Lovelace, Countess","age":36}'
    if kind.program != "instructor_python.py":
        return Script(text=text)
    first = chunk(tool_calls=[call(0, "", id="call_1", name="Person")])
    rest = [chunk(tool_calls=[call(0, piece)]) for piece in deltas_of(text)]
    return Script(chunks=[first, *rest, chunk("tool_calls"), "[DONE]"])


def failed(said: Said) -> dict[str, Any]:
    assert said.error is not None, f"taken for an answer: {said}"
    return said.error


@those_that("text")
def test_the_text_is_identical_and_the_usage_is_the_provider_s(
    shared: Shared, kind: Kind, asker: Asker
) -> None:
    prompt = f"text for {kind}"

    said = asker.do("text", prompt)

    assert said.error is None
    assert said.text == text_for(prompt)
    assert said.usage == [7, len(deltas_of(said.text))]


@those_that("tools")
def test_tools_are_called_side_by_side_with_whole_arguments_and_their_results_answered(
    shared: Shared, kind: Kind, asker: Asker
) -> None:
    prompt = f"tools for {kind}"
    shared.provider.scripts[prompt] = two_calls()
    shared.provider.default = Script(text="It is sunny,\n and it is noon.")

    said = asker.do("tools", prompt)

    assert said.error is None
    assert sorted(said.calls) == [("clock", {"zone": ZONE}), ("weather", {"city": CITY})]
    assert said.text == "It is sunny,\n and it is noon."
    second = shared.provider.requests[-1]["messages"]
    assert {one["tool_call_id"] for one in second if one["role"] == "tool"} == {"call_1", "call_2"}


@those_that("shaped")
def test_an_object_of_a_given_shape_is_whole(shared: Shared, kind: Kind, asker: Asker) -> None:
    shared.provider.default = shaped(kind)

    said = asker.do("shaped", f"shape for {kind}")

    assert said.error is None
    assert said.objects[-1] == PERSON


@those_that()
@pytest.mark.parametrize("status", [400, 429])
def test_a_refusal_before_the_answer_raises_with_the_provider_s_words(
    shared: Shared, kind: Kind, asker: Asker, status: int
) -> None:
    code = {400: "context_length_exceeded", 429: "insufficient_quota"}[status]
    error = {"message": f"because {status}", "type": "a_type", "param": "messages", "code": code}
    shared.provider.default = Script(
        status=status, error={"error": error}, headers={"Retry-After": "7"} if status == 429 else {}
    )

    found = failed(asker.do("text", f"refused for {kind}"))

    assert found.get("status") == status, found
    assert f"because {status}" in found["words"]
    assert code in (found.get("code"), *found["words"].replace("'", '"').split('"'))


@those_that()
def test_a_failure_in_mid_stream_raises_behind_the_text_so_far(
    shared: Shared, kind: Kind, asker: Asker
) -> None:
    error = {"message": "it broke", "type": "server_error", "code": "server_error"}
    begun = shaped(kind) if "text" in kind.cannot else Script(text="so far and no further")
    chunks = begun.chunks or [chunk(content=one) for one in deltas_of(begun.text)]
    shared.provider.default = Script(chunks=[*chunks[:4], {"error": error}])

    said = asker.do("text", f"broken for {kind}")

    found = failed(said)
    assert "it broke" in found["words"], found
    if "text" not in kind.cannot:
        assert said.text == "so far and no fu"


@those_that("leave")
def test_what_has_come_is_seen_at_once_and_to_leave_then_cancels(
    shared: Shared, kind: Kind, asker: Asker
) -> None:
    gate = Gate()
    script = shaped(kind) if "text" in kind.cannot else Script(text="so far and no further")
    script.gate = gate
    shared.provider.default = script
    gate.release(4)

    said = asker.do("leave", f"left for {kind}")

    assert said.error is None
    begun = said.text or said.objects[0]["name"]
    assert begun
    assert begun not in (script.text, PERSON["name"])
    newest: dict[str, Any] = shared.hub.get("/generations?limit=1").json()["generations"][0]
    assert shared.hub.finished(newest["id"])["status"] == "cancelled"
    eventually(lambda: shared.provider.running == 0)


# ── what was found ───────────────────────────────────────────────────────────────────────────

CELLS = ("text", "tools", "a given shape", "usage", "refused before", "fails in it", "leaves")
HEAD = f"| client | asks on | {' | '.join(CELLS)} |\n{'| --- ' * (len(CELLS) + 2)}|\n"
ASKED = {
    "chat": "`chat.completions`",
    "responses": "`responses`",
    "compatible": "`chat.completions`",
}
COMPILED = {
    "go-openai.go": "sashabaranov/go-openai 1.43.0",
    "openai-go.go": "openai/openai-go 3.98.0",
    "async-openai.rs": "async-openai 0.43.0",
}
SHOWN = {
    "clients/test_askers.py": (
        "test_the_text_is_identical_and_the_usage_is_the_provider_s",
        "test_tools_are_called_side_by_side_with_whole_arguments_and_their_results_answered",
        "test_an_object_of_a_given_shape_is_whole",
        "test_the_text_is_identical_and_the_usage_is_the_provider_s",
        "test_a_refusal_before_the_answer_raises_with_the_provider_s_words",
        "test_a_failure_in_mid_stream_raises_behind_the_text_so_far",
        "test_what_has_come_is_seen_at_once_and_to_leave_then_cancels",
    ),
    "openai/": (
        "test_a_stream_gives_the_text_that_the_generation_has",
        "test_tool_calls_are_put_together_from_their_pieces",
        "",
        "test_usage_comes_in_a_chunk_of_its_own_where_it_was_asked_for",
        "test_a_failure_is_the_status_that_the_package_knows",
        "test_a_failure_in_mid_stream_raises_in_the_package",
        "test_the_client_s_leaving_cancels_where_it_asked_so",
    ),
    "clients/test_compiled.py": (
        "test_text_usage_and_two_calls_from_pieces_are_whole",
        "test_text_usage_and_two_calls_from_pieces_are_whole",
        "",
        "test_text_usage_and_two_calls_from_pieces_are_whole",
        "test_a_refusal_before_the_answer_has_its_status_and_code",
        "test_a_failure_in_mid_stream_is_an_error",
        "test_to_leave_cancels",
    ),
}
"""For each cell of a row, the test that holds the client to it."""
WHOLE = (
    "identical", "called, arguments whole", "whole", "the provider's",
    "raises, its status and code", "raises", "cancels",
)  # fmt: skip


def line(client: str, asked: str, cannot: tuple[str, ...] = ()) -> str:
    """What the tests hold it to, as a row."""
    needs = ("text", "tools", "shaped", "text", "", "", "leave")
    cells = ["—" if need in cannot else word for need, word in zip(needs, WHOLE, strict=True)]
    return f"| {client} | {asked} | {' | '.join(cells)} |\n"


def lines() -> str:
    rows = [line(f"{pypi('openai')} (Python)", ASKED["chat"], ("shaped",))]
    for kind in KINDS:
        named = npm(kind.package) if kind.program.endswith(".mjs") else pinned(kind.package)
        named += " (Node)" if kind.package == "openai" else ""
        rows.append(line(named, ASKED[kind.face], kind.cannot))
    rows += [line(f"{named}¹", ASKED["chat"], ("shaped",)) for named in COMPILED.values()]
    return "".join(rows)


def shown() -> str:
    """Which test shows which column, for the clients of each folder."""
    rows = ["| cell | programs | openai (Python) | in Go and Rust |\n| --- | --- | --- | --- |\n"]
    for cell, *names in zip(CELLS, *SHOWN.values(), strict=True):
        rows.append(f"| {cell} | {' | '.join(f'`{one}`' if one else '—' for one in names)} |\n")
    return "".join(rows)


def test_the_table_of_programs_in_the_documentation_is_this_one() -> None:
    """`WRITE_CLIENTS_TABLE=1` writes it anew."""
    section = Section(ROOT / "docs" / "clients.md", "the table of programs")
    table = f"{HEAD}{lines()}\n{shown()}"
    if os.environ.get("WRITE_CLIENTS_TABLE"):
        section.write(table)

    assert section.text() == table
    pins = [ROOT / "tests/clients" / file for file in ("go/go.mod", "rust/Cargo.toml")]
    pinned_there = "".join(file.read_text() for file in pins)
    assert all(named.split()[1] in pinned_there for named in COMPILED.values())
    for place, names in SHOWN.items():
        files = (
            [ROOT / "tests" / place]
            if place.endswith(".py")
            else (ROOT / "tests" / place).glob("test_*.py")
        )
        source = "".join(file.read_text() for file in files)
        assert not [name for name in names if name and f"def {name}(" not in source]
