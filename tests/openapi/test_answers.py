"""A real hub answers what its document says: each operation is called with what the document gives
as an example, and with much that it forbids. Whatever comes back must be described, and no fault of
ours: the status, the content type, the body.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import pytest
import requests
from jsonschema import Draft202012Validator

from hub.settings import Settings
from hubbub.openapi.document import document
from tests.access.signing import SECRET, rights, token
from tests.support.provider import MODEL
from tests.support.shared import Shared, shared_stack

pytestmark = [pytest.mark.slow, pytest.mark.sets_keys]

TOLD = document(Settings(max_request_bytes=2048))
OPERATIONS = [(method.upper(), path) for path, item in TOLD["paths"].items() for method in item]
TOKEN = token(sub="tester", hub=rights())
NO_NAMES = ("nothing-here", "\0", "é", "x" * 600)
NO_VALUES = ("", "x", "99999999999999999999", "é\0")
NO_JSON = (b"{", b"[]", b"null", b'{"no-such-field":1}', b"\xff", b"[" * 500)
WRONG: tuple[object, ...] = (-1, True, "", "x" * 700, [{}], {"a": 1}, "\ud800")
FAR = "https://elsewhere.example"


@dataclass(frozen=True)
class Call:
    """One request. `what` says how it differs from the document's example."""

    what: str
    path: Mapping[str, str]
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    env = {"HUB_JWT_SECRET": SECRET, "HUB_MAX_REQUEST_BYTES": "2048", "HUB_MODEL": MODEL}
    with shared_stack(env) as shared:
        yield shared


@pytest.fixture(scope="module")
def hub(shared: Shared) -> Iterator[requests.Session]:
    """A client that shows a token, at a hub in which there is one of everything."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        for path in ("/api/chat", "/ag-ui"):
            body = example("POST", path, "application/json")
            assert session.post(shared.hub.url + path, json=body, timeout=15).status_code == 200
        yield session


def example(method: str, path: str, kind: str) -> Any:
    return TOLD["paths"][path][method.lower()]["requestBody"]["content"][kind]["example"]


def places(hub: requests.Session, url: str, path: str) -> dict[str, str]:
    """Names of things that there are, made for this operation: it may delete them."""
    asked: dict[str, Any] = {"prompt": "salt", "metadata": {"thread": "salt"}}
    if path.endswith("/deltas"):
        asked = {"producer": "client"}
    made = hub.post(f"{url}/generations", json=asked, timeout=15)
    assert made.status_code in (201, 202), made.text
    generation_id = made.json()["id"]
    return {
        "channel": "news",
        "generation_id": generation_id,
        "thread_id": "salt",
        "response_id": f"resp_{generation_id}",
        "chat_id": "c1",
        "name": MODEL,
        "filename": "hubbub.js",
    }


def calls(operation: Mapping[str, Any], path: str, known: Mapping[str, str]) -> Iterator[Call]:
    needed = {
        one["name"]: "news"
        for one in operation["parameters"]
        if one["in"] == "query" and one["required"]
    }
    usual = Call("as it is documented", known, needed)
    bodies = list(_bodies(operation, path))
    if not bodies:
        yield usual
    for kind, body in reversed(bodies):
        usual = replace(usual, headers={"Content-Type": kind}, body=body)
        yield usual
    for what, headers in {
        "without a token": {"Authorization": ""},
        "with a token that is none": {"Authorization": "Bearer x"},
        "from another origin": {"Origin": FAR},
        "with a packed body": {"Content-Encoding": "gzip"},
        "as a navigation": {"Accept": "text/html"},
        "for a stream": {"Accept": "text/event-stream"},
    }.items():
        yield replace(usual, what=what, headers={**usual.headers, **headers})
    for one in operation["parameters"]:
        yield from _with_parameter(usual, one)
    if bodies:
        yield from _with_body(usual, operation)


def _bodies(operation: Mapping[str, Any], path: str) -> Iterator[tuple[str, bytes]]:
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        if "example" not in media:
            continue
        given = {"token": TOKEN} if path == "/session" else media["example"]
        text = given if isinstance(given, str) else json.dumps(given)
        yield kind, text.encode()


def _with_parameter(usual: Call, one: Mapping[str, Any]) -> Iterator[Call]:
    name, schema = one["name"], one["schema"]
    good = [*schema.get("enum", ()), *(schema[k] for k in ("minimum", "maximum") if k in schema)]
    bad = [schema[k] + by for k, by in (("minimum", -1), ("maximum", 1)) if k in schema]
    if one["in"] == "path":
        for value in NO_NAMES:
            yield replace(usual, what=f"{name}={value[:20]!r}", path={**usual.path, name: value})
        return
    for value in map(str, (*good, *bad, *NO_VALUES)):
        what = f"{name}: {value[:30]!r}"
        if one["in"] == "query":
            yield replace(usual, what=what, query={**usual.query, name: value})
        elif value.isascii() and "\0" not in value:
            yield replace(usual, what=what, headers={**usual.headers, name: value})


def _with_body(usual: Call, operation: Mapping[str, Any]) -> Iterator[Call]:
    for body in (b"", *NO_JSON):
        yield replace(usual, what=f"body {body[:20]!r}", body=body)
    headers = {**usual.headers, "Content-Type": "application/xml"}
    yield replace(usual, what="a body of another type", headers=headers)
    most = operation["requestBody"].get("x-max-bytes", 10**9)
    if most < 100_000:
        yield replace(usual, what="a body that is too large", body=b" " * (most + 1))
    if usual.headers["Content-Type"] != "application/json" or usual.body is None:
        return
    given = json.loads(usual.body)
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = TOLD["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name in schema["properties"]:
        for value in WRONG:
            body = json.dumps({**given, name: value}).encode()
            yield replace(usual, what=f"{name} = {value!r:.30}", body=body)


def send(hub: requests.Session, url: str, method: str, path: str, call: Call) -> requests.Response:
    for name, value in call.path.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return hub.request(
        method,
        url + path,
        params=dict(call.query),
        headers=dict(call.headers),
        data=call.body,
        timeout=15,
        stream=True,
        allow_redirects=False,
    )


def check(operation: Mapping[str, Any], answer: requests.Response) -> None:
    """Raises `AssertionError` where the answer is not what the document says."""
    responses = operation["responses"]
    assert answer.status_code < 500, "a fault of ours"
    assert str(answer.status_code) in responses, f"{answer.status_code} is not documented"
    told = responses[str(answer.status_code)]
    if "$ref" in told:
        told = TOLD["components"]["responses"][told["$ref"].rpartition("/")[2]]
    content = {kind.partition(";")[0]: media for kind, media in told.get("content", {}).items()}
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if not content:
        assert not answer.content
        return
    assert kind in content or "*/*" in content, f"{kind!r} is not documented"
    if kind.endswith("json"):
        schema = {**content[kind]["schema"], "components": TOLD["components"]}
        Draft202012Validator(_closed(schema)).validate(answer.json())


def _closed(schema: Any) -> Any:
    """The same, where an object has no member that is not described: a member that somebody added
    to an answer and not to the document would be found in no other way."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_that_is_documented(
    shared: Shared, hub: requests.Session, method: str, path: str
) -> None:
    operation = TOLD["paths"][path][method.lower()]
    url = shared.hub.url
    known = places(hub, url, path)
    for call in calls(operation, path, known):
        with send(hub, url, method, path, call) as answer:
            try:
                check(operation, answer)
                if call.what == "as it is documented":
                    assert answer.ok, answer.text
            except Exception as problem:
                problem.add_note(f"{method} {path}, {call.what}: {answer.status_code}")
                raise
