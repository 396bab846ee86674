"""Schemathesis, which knows nothing of us, reads `/openapi.json` from a running hub and makes calls
of its own from it: such as the document allows, and such as it forbids.

It may find no status, content type, header or body that is not described, no 5xx, no call that the
document allows and the hub refuses, and none that the document forbids and the hub takes. What JSON
Schema has no words for stands in `BEYOND_SCHEMAS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response

from hub.errors import KeyReused
from tests.access.signing import SECRET, rights, token
from tests.openapi.test_answers import OPERATIONS
from tests.support.provider import MODEL
from tests.support.shared import Shared, shared_stack

pytestmark = [pytest.mark.slow, pytest.mark.sets_keys]

CALLS = 10
"""Of each operation, in either mode; they are the same at every run."""
TOKEN = token(sub="tester", hub=rights())
FIRST_BYTES = 64 * 1024
PATIENCE_SECONDS = 60

checks.load_all_checks()
# It takes away the token of its own making, and not the session's; `tests/access` does that.
EXCLUDED = checks.CHECKS.get_by_names(["ignored_auth"])
REFUSALS = ["400", "401", "403", "404", "405", "409", "413", "414", "415", "421", "422", "431"]
CONFIG = SchemathesisConfig.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}
)
BEYOND_SCHEMAS = {
    "/events": r"after|channel",  # as many as there are channels; only different ones count
    "/generations": r"prompt|metadata\.thread|messages\[\d+\]\.content.*",
    "/v1/responses": r"input\[.*|messages\[.*",  # an item has a shape for each type
    "/api/chat": r"messages.*",  # a tool's part, by its state
    "/ag-ui": r"messages.*",
}
"""By path, the fields whose rules no schema can tell: a call that breaks one is refused."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    env = {
        "HUB_JWT_SECRET": SECRET,
        "HUB_MODEL": MODEL,
        "HUB_GENERATIONS_PER_MINUTE": "0",
        "HUB_RUNNING_GENERATIONS": "0",
    }
    with shared_stack(env) as shared:
        yield shared


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        yield session


@pytest.fixture(scope="module")
def told(shared: Shared, session: requests.Session) -> Any:
    answer = session.get(f"{shared.hub.url}/openapi.json", timeout=15)
    return schemathesis.openapi.from_dict(answer.json(), config=CONFIG)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_it_finds_nothing(
    shared: Shared,
    session: requests.Session,
    told: Any,
    method: str,
    path: str,
    mode: GenerationMode,
) -> None:
    operation = told[path][method.lower()]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=CALLS,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def call(case: Any) -> None:
        request = case.as_transport_kwargs(base_url=shared.hub.url)
        with session.request(
            **request, stream=True, timeout=PATIENCE_SECONDS, allow_redirects=False
        ) as answer:
            seen = Response.from_requests(read(answer), verify=False)
        if not is_beyond_schemas(path, seen):
            case.validate_response(seen, excluded_checks=EXCLUDED)

    try:
        call()
    except Unsatisfiable:  # nothing that could be sent breaks this operation's schema
        assert mode is GenerationMode.NEGATIVE


def read(answer: requests.Response) -> requests.Response:
    """With its body; of a stream, which need not end, its beginning."""
    if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
        answer._content = answer.raw.read1(FIRST_BYTES)
        answer.raw.close()  # the rest is not read: another answer must not begin with it
    else:
        _ = answer.content
    return answer


def is_beyond_schemas(path: str, seen: Response) -> bool:
    if seen.status_code not in (400, 422):
        return False
    told = seen.json()
    told = told.get("error", told)
    if told["code"] == KeyReused.code:  # a key of an earlier call's
        return True
    field = told.get("param", told.get("field")) or ""
    return re.fullmatch(BEYOND_SCHEMAS.get(path, ""), field or "-") is not None
