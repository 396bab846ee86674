"""A request's id and its trace go along through web, job, worker and provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from hub.trace import Trace
from tests.support.deadline import eventually
from tests.support.provider import ScriptedProvider
from tests.support.shared import Shared, shared_stack
from tests.support.shared import hub as hub
from tests.support.shared import provider as provider
from tests.support.stack import Stack
from tests.support.stream import EventStream

pytestmark = pytest.mark.slow

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = {"X-Request-ID": "asked-1", "traceparent": PARENT, "tracestate": "vendor=1"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with shared_stack({"HUB_LOG_FORMAT": "json"}) as shared:
        yield shared


def lines(log: str, request: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in found if line.get("request") == request]


def test_the_provider_is_asked_in_the_request_s_name(
    hub: Stack, provider: ScriptedProvider
) -> None:
    answer = hub.post("/generations", json={"prompt": "traced"}, headers=HEADERS)
    assert answer.headers["X-Request-ID"] == "asked-1"
    hub.finished(answer.json()["id"])
    asked = provider.request_headers[-1]
    assert {name: asked.get(name.lower()) for name in HEADERS} == HEADERS
    worker = eventually(lambda: lines(hub.worker.log(), "asked-1")[1:])
    told = {line["message"].partition(" id=")[0]: line for line in worker}
    assert told.keys() >= {"generation ends"}
    assert told["generation ends"]["trace_id"] == PARENT.split("-")[1]


def test_a_request_that_names_none_is_given_one_of_its_own(
    hub: Stack, provider: ScriptedProvider
) -> None:
    answers = [hub.post("/generations", json={"prompt": f"{n}"}) for n in range(2)]
    names = [answer.headers["X-Request-ID"] for answer in answers]
    assert len(set(names)) == 2
    for answer in answers:
        hub.finished(answer.json()["id"])
    asked = {headers.get("x-request-id") for headers in provider.request_headers}
    assert asked >= set(names)
    assert "traceparent" not in provider.request_headers[-1]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/healthz", None), ("GET", "/nowhere", None), ("GET", "/", None),
        ("POST", "/channels/news/events", {"data": 1}), ("POST", "/channels/-/events", {"data": 1}),
        ("POST", "/v1/chat/completions", {}), ("GET", "/events", None),
    ],
)  # fmt: skip
def test_an_answer_names_its_request(hub: Stack, method: str, path: str, body: object) -> None:
    for named in ("mine/7", "a b", "a" * 129, 'x"y', None):
        answer = requests.request(
            method, hub.url + path, json=body, headers={"X-Request-ID": named}, timeout=15
        )
        shown = answer.headers.get("X-Request-ID")
        if named == "mine/7":
            assert shown == named
        elif method == "GET":
            assert shown is None
        else:
            assert shown and shown != named


def test_a_stream_s_lines_name_the_request_that_opened_it(
    hub: Stack, listen: Callable[..., EventStream]
) -> None:
    stream = listen(f"{hub.url}/channels/news/events", headers={"X-Request-ID": "listener-1"})
    stream.next("subscribed")
    assert stream.headers["x-request-id"] == "listener-1"
    stream.close()
    found = eventually(lambda: lines(hub.web.log(), "listener-1")[1:])
    assert found[0]["message"].startswith("stream ends")


@pytest.mark.parametrize(
    "parent",
    ["", "00-x-y-01", f"ff{PARENT[2:]}", PARENT.replace(PARENT.split("-")[1], "0" * 32),
     PARENT.upper(), f"{PARENT}-more"],
)  # fmt: skip
def test_a_trace_that_is_none_is_not_taken_on(parent: str) -> None:
    found = Trace.of({"x-request-id": "a", "traceparent": parent, "tracestate": "vendor=1"})
    assert found.headers() == {"X-Request-ID": "a"}


def test_a_record_of_another_version_has_no_trace() -> None:
    trace = Trace.of({"x-request-id": "a", "traceparent": PARENT})
    assert Trace.from_field(trace.to_field()) == trace
    for field in ("", "a", "a\nb", "a\nb\nc\nd"):
        assert Trace.from_field(field) is None
