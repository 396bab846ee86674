"""`/openapi.json`: a valid document, of the routes that there are and of no others."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest
from flask import Flask
from openapi_spec_validator import validate

from hub.errors import HubError, RedisFailure, RedisUnfit, Refused
from hub.fanout.delivery import Delivery
from hub.settings import Settings
from hub.store.redis_link import RedisLink
from hubbub.application import create_app
from hubbub.openapi import problems
from hubbub.openapi.document import document
from tests.test_imports import sources, tree
from workers.provider import ProviderFailure

NEVER_ANSWERED = {Refused, RedisFailure, RedisUnfit}
"""Caught where it is raised; the base of others; it ends the start."""

FRIEND = "https://app.example"
METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    settings = Settings(base_path="/hub", cors_origins=(FRIEND,))
    made = create_app(settings, RedisLink(fakeredis.FakeRedis()))
    yield made
    delivery: Delivery = made.extensions["hubbub"]
    delivery.stop()


def served(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/hub/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    found: dict[str, Any] = answer.get_json()
    return found


def test_it_is_valid_openapi_3_1(app: Flask) -> None:
    told = served(app)
    assert told["openapi"].startswith("3.1")
    validate(told)


def test_its_server_is_where_the_hub_hangs(app: Flask) -> None:
    assert served(app)["servers"] == [{"url": "/hub"}]


def test_it_has_every_route_with_its_methods_and_no_other(app: Flask) -> None:
    # HEAD follows from GET, and OPTIONS is everywhere: the document says both once.
    routes = {
        (re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    paths = served(app)["paths"]
    documented = {(path, method) for path, item in paths.items() for method in METHODS & set(item)}
    assert documented == routes


def test_a_page_of_an_allowed_origin_may_use_every_method_that_there_is(app: Flask) -> None:
    told = app.test_client().options("/hub/threads/a", headers={"Origin": FRIEND}).headers
    allowed = set(told["Access-Control-Allow-Methods"].lower().split(", "))
    assert {method for item in served(app)["paths"].values() for method in item} <= allowed


def test_every_reference_leads_somewhere(app: Flask) -> None:
    told = served(app)
    for target in set(re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(told))):
        found: Any = told
        for name in target.split("/"):
            found = found[name]


def test_every_schema_is_used_and_every_name_of_an_operation_is_its_own(app: Flask) -> None:
    told = served(app)
    text = json.dumps(told)
    for name in told["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
    names = re.findall(r'"operationId": "(\w+)"', text)
    assert len(names) == len(set(names))


def test_limits_are_those_of_the_settings() -> None:
    told = document(Settings(max_request_bytes=4321, heartbeat_seconds=7))
    body = told["paths"]["/generations"]["post"]["requestBody"]
    assert body["x-max-bytes"] == 4321
    heartbeat = next(
        one for one in told["paths"]["/events"]["get"]["parameters"] if one["name"] == "heartbeat"
    )
    assert heartbeat["schema"]["default"] == 7


def test_it_names_every_error_that_a_request_can_be_answered_with(app: Flask) -> None:
    def below(error: type[HubError]) -> Iterator[type[HubError]]:
        yield error
        for one in error.__subclasses__():
            yield from below(one)

    # A module's own kind of an error is answered as the one that it is a kind of.
    ours = {
        error
        for error in below(HubError)
        if not error.__name__.startswith("_") and not error.__module__.startswith("tests.")
    }
    assert set(problems.ANSWERED) == ours - NEVER_ANSWERED


def test_it_names_every_code_that_an_error_is_given_where_it_is_raised() -> None:
    raised: set[str] = set()
    for module in sources():
        if module.split(".")[0] not in ("hub", "workers"):
            continue
        for call in ast.walk(tree(module)):
            for keyword in call.keywords if isinstance(call, ast.Call) else ():
                value = keyword.value
                if keyword.arg in ("code", "too_large") and isinstance(value, ast.Constant):
                    raised.add(str(value.value))
    listed = {code for codes in problems.SHARPER.values() for code in codes}
    assert raised <= listed
    of_providers = problems.SHARPER[ProviderFailure]
    assert listed - of_providers <= raised
