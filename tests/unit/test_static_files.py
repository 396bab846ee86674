"""The files of the pages: compressed, asked for again with their ETag, and few bytes in all."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from hub.web.files import STATIC
from hub.web.headers import register
from hub.web.pages import pages_blueprint

FIRST_PAGE_BYTES = 100_000
PACKED = {"Accept-Encoding": "gzip, br"}


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    app = Flask(__name__, static_folder=None)
    register(app)
    app.register_blueprint(pages_blueprint(kept_seconds=86_400, most_bytes=1))
    yield app.test_client()


def test_a_file_is_compressed_for_those_who_can_read_it(client: FlaskClient) -> None:
    plain = client.get("/static/hubbub.js")
    packed = client.get("/static/hubbub.js", headers=PACKED)
    assert plain.data == (STATIC / "hubbub.js").read_bytes()
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    for answer in (plain, packed):
        assert answer.content_type.startswith("text/javascript")
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert answer.headers["Cache-Control"] == "no-cache"
    assert (
        client.get("/static/hubbub.js", headers={"Accept-Encoding": "gzip;q=0"}).data == plain.data
    )


def test_a_page_is_compressed_too(client: FlaskClient) -> None:
    packed = client.get("/", headers=PACKED)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == client.get("/").data


def test_a_file_that_has_not_changed_is_not_sent_again(client: FlaskClient) -> None:
    etag = client.get("/static/style.css", headers=PACKED).headers["ETag"]
    again = client.get("/static/style.css", headers={**PACKED, "If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/static/style.css").headers["ETag"] != etag


@pytest.mark.parametrize(
    "name", ["nothing.js", "../pyproject.toml", "..%2fpyproject.toml", "vendor", "vendor/README.md"]
)
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    with pytest.raises(Exception, match="there is no file") as raised:
        client.application.testing = True
        client.get(f"/static/{name}")
    assert raised.typename == "NotFound"


@pytest.mark.parametrize("path", ["/", "/g/x", "/notifications", "/status"])
def test_a_first_visit_costs_less_than_100_kb(client: FlaskClient, path: str) -> None:
    page = client.get(path)
    loaded = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
    assert len(loaded) > 5
    sizes = {name: len(client.get(name, headers=PACKED).data) for name in loaded}
    page_bytes = len(client.get(path, headers=PACKED).data)
    assert page_bytes + sum(sizes.values()) < FIRST_PAGE_BYTES, sizes
