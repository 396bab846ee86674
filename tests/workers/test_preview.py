"""What a link to a generation's page shows where links are shown with a preview."""

from __future__ import annotations

from html.parser import HTMLParser

from flask.testing import FlaskClient

from tests.workers.conftest import Attempts
from workers.generation import Terminal
from workers.provider import Delta
from workers.request import Request
from workers.store import Generations


class Meta(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("property") or given.get("name")
        if tag == "meta" and name:
            self.found[name] = given.get("content") or ""


def answered(attempts: Attempts, generations: Generations, question: str, answer: str) -> str:
    asked = Request([{"role": "user", "content": question}], stop=[], tools=[])
    generation = generations.create(asked).generation
    publisher = attempts.begin(generation.id)
    for at in range(0, len(answer), 1000):
        publisher.put(Delta(0, "content", answer[at : at + 1000]))
    assert publisher.finish(Terminal.completed({0: "stop"}, None, None))
    return generation.id


def test_a_preview_names_the_question_and_how_the_answer_begins(
    client: FlaskClient, attempts: Attempts, generations: Generations
) -> None:
    one = answered(attempts, generations, "Why is\nthe sky blue?", "Because " + "of light " * 9000)
    found = Meta(client.get(f"/g/{one}").text).found
    assert found["og:title"] == "Why is the sky blue?"
    assert found["og:description"].startswith("Because of light of light")
    assert found["og:description"].endswith("…")
    assert len(found["og:description"]) <= 200
    assert found["og:url"] == f"http://localhost/g/{one}"


def test_what_was_asked_and_answered_is_no_markup_in_a_preview(
    client: FlaskClient, attempts: Attempts, generations: Generations
) -> None:
    hostile = '"><script>alert(1)</script><meta property="og:image" content="http://evil.example/'
    one = answered(attempts, generations, hostile, hostile)
    page = client.get(f"/g/{one}").text
    assert "<script>alert" not in page
    found = Meta(page).found
    assert found["og:title"] == hostile
    assert "og:image" not in found


def test_a_generation_that_is_not_there_has_no_preview(client: FlaskClient) -> None:
    answer = client.get("/g/nobody")
    assert answer.status_code == 404
    assert Meta(answer.text).found["og:title"] == "Hubbub"


def test_a_page_names_all_its_modules_so_that_they_come_at_once(client: FlaskClient) -> None:
    page = client.get("/").text
    for module in ("pages/conversation.js", "hubbub.js", "hubbub/parser.js"):
        assert f'<link rel="modulepreload" href="/static/{module}">' in page
