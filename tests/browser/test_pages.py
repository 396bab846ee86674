"""The pages in a real Chromium, on the whole stack with a provider that follows a script."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Route

from tests.browser.proxy import Proxy
from tests.browser.watching import Watcher, shows
from tests.conftest import StartStack
from tests.support.deadline import eventually
from tests.support.provider import Gate, Script, ScriptedProvider, text_for
from tests.support.real import ROOT
from tests.support.stack import Stack

pytestmark = pytest.mark.browser

TEXT = text_for("a long answer", words=120)
HOSTILE = (
    "<img src=x onerror=\"document.body.dataset.hacked='1'\"><script>document.body.dataset.hacked="
    "'1'</script>\n\n[click](javascript:document.body.dataset.hacked='1') "
    "![](http://127.0.0.1:9/leak.png) <svg/onload=document.body.dataset.hacked='1'> <b>bold</b>\n\n"
    '<a href="javascript:alert(1)" onclick="alert(1)">x</a> <iframe srcdoc="<b>x"></iframe>\n\n'
    "<style>body{display:none}</style><form action=//evil.example><input name=q></form>"
)


def ask(context: BrowserContext, hub: Stack, prompt: str) -> Watcher:
    page = context.new_page()
    page.goto(f"{hub.url}/")
    page.get_by_label("Your question").fill(prompt)
    page.keyboard.press("Enter")
    watcher = Watcher(page)
    eventually(lambda: watcher.generation_id)
    return watcher


def test_two_tabs_a_late_one_and_one_that_was_cut_off_show_the_same_text(
    hub: Stack,
    provider: ScriptedProvider,
    gate: Gate,
    context: BrowserContext,
    other_context: BrowserContext,
    proxied: Callable[[str], Proxy],
) -> None:
    provider.scripts["story"] = Script(TEXT, gate=gate)
    first = ask(context, hub, "story")
    second = Watcher.at(context, hub.url, first.generation_id)
    proxy = proxied(hub.url)
    cut_off = Watcher.at(other_context, proxy.url, first.generation_id)
    gate.release(20)
    for watcher in (first, second, cut_off):
        watcher.until_text(TEXT[:80])
    proxy.cut()
    eventually(lambda: cut_off.connection in ("waiting", "connecting"))
    gate.release(40)
    first.until_text(TEXT[:240])
    late = Watcher.at(context, hub.url, first.generation_id)
    stranger = Watcher.at(other_context, hub.url, first.generation_id)
    late.until_text(TEXT[:240])
    stranger.until_text(TEXT[:240])
    assert cut_off.text() == TEXT[:80]
    proxy.mend()
    cut_off.until_text(TEXT[:240])
    gate.open()
    record = hub.finished(first.generation_id)
    assert record["choices"][0]["content"] == TEXT
    for watcher in (first, second, cut_off, late, stranger):
        shows(watcher.until_ended(), record)
    shows(Watcher.at(context, hub.url, first.generation_id).until_ended(), record)


def test_many_tabs_on_many_generations_all_show_their_text(
    hub: Stack, provider: ScriptedProvider, gate: Gate, context: BrowserContext
) -> None:
    provider.default = Script(TEXT, gate=gate)
    ids = [hub.generate(f"question {number}") for number in range(9)]
    watchers = [Watcher.at(context, hub.url, one) for one in ids]
    gate.release(9 * 10)
    gate.open()
    for one, watcher in zip(ids, watchers, strict=True):
        shows(watcher.until_ended(within_seconds=40), hub.finished(one))


def test_the_count_of_watchers_is_live(
    hub: Stack,
    provider: ScriptedProvider,
    gate: Gate,
    context: BrowserContext,
    other_context: BrowserContext,
) -> None:
    provider.scripts["story"] = Script(TEXT, gate=gate)
    first = ask(context, hub, "story")
    eventually(lambda: first.part("watchers") == "1 watching")
    other = Watcher.at(other_context, hub.url, first.generation_id)
    eventually(lambda: other.part("watchers").startswith("2 watching"))
    eventually(lambda: first.part("watchers") == "2 watching")
    second = Watcher.at(context, hub.url, first.generation_id)
    eventually(lambda: first.part("watchers") == "2 watching · 2 tabs here")
    other.page.close()
    second.page.close()
    eventually(lambda: first.part("watchers") == "1 watching")


def test_stop_ends_it_in_every_tab_and_keeps_the_text(
    hub: Stack,
    provider: ScriptedProvider,
    gate: Gate,
    context: BrowserContext,
    other_context: BrowserContext,
) -> None:
    provider.scripts["story"] = Script(TEXT, gate=gate)
    first = ask(context, hub, "story")
    other = Watcher.at(other_context, hub.url, first.generation_id)
    gate.release(20)
    other.until_text(TEXT[:80])
    other.page.get_by_role("button", name="Stop").click()
    record = hub.finished(first.generation_id)
    assert record["status"] == "cancelled"
    for watcher in (first, other):
        shows(watcher.until_ended("cancelled"), record)
        assert watcher.part("status") == "Stopped"
        assert not watcher.is_shown("stop")


def test_what_has_no_text_offers_none_to_copy(
    hub: Stack, provider: ScriptedProvider, gate: Gate, context: BrowserContext
) -> None:
    provider.scripts["wait"] = Script(TEXT, gate=gate)
    watcher = ask(context, hub, "wait")
    eventually(lambda: watcher.is_shown("share"))
    assert not watcher.is_shown("copy-text")
    assert not watcher.is_shown("plain")
    gate.release(3)
    eventually(lambda: watcher.is_shown("copy-text") and watcher.is_shown("plain"))


def test_a_failure_is_told_in_words(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    provider.scripts["cut"] = Script(TEXT, cut_after=10)
    watcher = ask(context, hub, "cut").until_ended("failed")
    record = hub.finished(watcher.generation_id)
    assert record["error"]["message"] in watcher.part("note")
    assert watcher.is_shown("note")
    shows(watcher, record)


def test_a_run_that_began_anew_shows_the_last_attempt_alone(
    stack: StartStack, provider: ScriptedProvider, gate: Gate, context: BrowserContext
) -> None:
    hub = stack({"HUB_LEASE_SECONDS": "1"})
    provider.scripts["story"] = Script(TEXT, gate=gate)
    watcher = ask(context, hub, "story")
    gate.release(20)
    watcher.until_text(TEXT[:80])
    hub.worker.kill()
    hub.add_worker()
    eventually(lambda: watcher.attribute("attempt") == "2", 20)
    gate.open()
    watcher.until_ended()
    shows(watcher, hub.finished(watcher.generation_id))
    assert watcher.text() == TEXT
    assert watcher.part("attempt") == "Attempt 2"


def test_what_a_model_writes_stays_text(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    provider.scripts[HOSTILE] = Script(HOSTILE)
    watcher = ask(context, hub, HOSTILE).until_ended()
    shows(watcher, hub.finished(watcher.generation_id))
    page = watcher.page
    assert "<b>bold</b>" in page.inner_text("[data-formatted]")
    assert page.inner_text("[data-asked]") == HOSTILE
    active = "main :is(img, script, style, svg, iframe, form form, [onerror], [onclick], [onload])"
    assert page.query_selector_all(f"[data-formatted] {active[5:]}") == []
    for link in page.query_selector_all("[data-formatted] a"):
        assert re.match(r"https?:|$", link.get_attribute("href") or "")
    assert page.evaluate("document.body.dataset.hacked") is None
    assert all(url.startswith((hub.url, "data:")) for url in asked)


def test_markdown_is_shown_formatted_and_as_it_was_written(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    text = "# Title\n\nSome **bold** words[^1] and\r\n`code`.\n\n- one\n- two\n\n```\nx = 1\n```\n"
    provider.scripts["markdown"] = Script(text, pace_seconds=0.01)
    watcher = ask(context, hub, "markdown").until_ended()
    page = watcher.page
    assert watcher.text() == text
    eventually(lambda: page.inner_text("[data-formatted] h1") == "Title")
    assert page.inner_text("[data-formatted] strong") == "bold"
    assert page.locator("[data-formatted] li").all_inner_texts() == ["one", "two"]
    assert not watcher.is_shown("text")
    page.get_by_role("button", name="Plain text").click()
    assert watcher.is_shown("text")
    assert not watcher.is_shown("formatted")
    page.reload()
    watcher.until_ended()
    assert watcher.is_shown("text")  # the choice is kept


def test_where_what_draws_does_not_come_the_text_stands_as_it_was_written(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    provider.scripts["letters"] = Script("Some **bold** words.\n\n> كلمات\n")
    generation_id = hub.generate("letters")
    hub.finished(generation_id)
    page = context.new_page()
    page.route("**/rendering.js*", lambda route: route.abort())
    page.goto(f"{hub.url}/g/{generation_id}")
    page.locator("[data-formatted]").get_by_text("Some **bold** words.").wait_for()
    page.unroute("**/rendering.js*")
    page.locator("[data-formatted] strong").wait_for()
    assert "**" not in page.inner_text("[data-formatted]")
    directions = "all => all.map(one => getComputedStyle(one).direction)"
    found = page.eval_on_selector_all("[data-formatted] :is(p, blockquote)", directions)
    assert found == ["ltr", "rtl", "rtl"]


def test_mathematics_is_set_and_what_only_looks_like_it_is_not(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    text = (
        "So $e^{i\\pi} + 1 = 0$, and \\(x_1\\).\n\n$$\n\\frac{a}{b} < c\n$$\n\n"
        "In a line $$\\sqrt 2$$ and \\[y\\].\n\n"
        "It costs $5 or $6, $$7 or $$8, `$x$`, "
        "$\\href{javascript:alert(1)}{x}$ and $\\nonsense{$.\n"
    )
    provider.scripts["sums"] = Script(text, pace_seconds=0.01)
    watcher = ask(context, hub, "sums").until_ended()
    page = watcher.page
    formulas = page.locator("[data-formatted] math")
    eventually(lambda: formulas.count() == 5)
    assert page.locator('[data-formatted] math[display="block"]').count() == 3
    block = page.locator('[data-formatted] math[display="block"]').first
    assert block.locator("mfrac").count() == 1
    assert block.get_attribute("aria-label") == "\\frac{a}{b} < c"
    assert formulas.first.bounding_box()["height"] > 5  # type: ignore[index]
    shown = page.inner_text("[data-formatted] > p:last-of-type")
    assert "It costs $5 or $6, $$7 or $$8, $x$, \\href" in shown and "\\nonsense{" in shown
    assert page.locator("[data-formatted] :is([href^=javascript], script)").count() == 0
    assert watcher.text() == text


def test_reasoning_tools_and_several_answers_stand_apart(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    def chunk(index: int, **delta: object) -> dict[str, object]:
        choice = {"index": index, "delta": delta, "finish_reason": None}
        return {"object": "chat.completion.chunk", "choices": [choice]}

    call = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": '{"at":'}}
    rest = {"index": 0, "function": {"arguments": '"sky"}'}}
    ends = [
        {"object": "chat.completion.chunk", "choices": [
            {"index": index, "delta": {}, "finish_reason": reason}
        ]}
        for index, reason in ((0, "length"), (1, "stop"))
    ]  # fmt: skip
    provider.default = Script(
        chunks=[
            chunk(0, reasoning_content="First I think. "),
            chunk(0, reasoning_content="Then I speak."),
            chunk(0, content="An answer."),
            chunk(1, content="Another answer."),
            chunk(1, tool_calls=[call]),
            chunk(1, tool_calls=[rest]),
            *ends,
            "[DONE]",
        ]
    )
    generation_id = hub.generate("think", n=2)
    watcher = Watcher.at(context, hub.url, generation_id).until_ended()
    shows(watcher, hub.finished(generation_id))
    assert watcher.text(0) == "An answer."
    assert watcher.text(1) == "Another answer."
    first, second = (watcher.page.locator(f'[data-choice="{index}"]') for index in range(2))
    assert first.locator("[data-reasoning]").text_content() == "First I think. Then I speak."
    assert not first.locator("[data-reasoning]").is_visible()
    first.get_by_text("Reasoning", exact=True).click()
    assert first.locator("[data-reasoning]").is_visible()
    assert second.locator("[data-tools]").text_content() == 'look({"at":"sky"})'
    assert first.locator("[data-finish]").is_visible()
    assert second.get_by_role("heading", name="Answer 2").is_visible()


@pytest.mark.parametrize("format", ["text", "events"])
def test_a_stream_by_post_is_taken_up_where_its_connection_dropped(
    hub: Stack,
    provider: ScriptedProvider,
    gate: Gate,
    context: BrowserContext,
    proxied: Callable[[str], Proxy],
    format: str,
) -> None:
    provider.scripts["story"] = Script(TEXT, gate=gate)
    proxy = proxied(hub.url)
    page = context.new_page()
    page.goto(f"{proxy.url}/healthz")
    page.evaluate(
        """async (format) => {
          const { connect, Fold } = await import("/static/hubbub.js");
          globalThis.text = "";
          const fold = new Fold();
          const body = { prompt: "story" };
          const headers = { "X-Of-My-Own": "1" };
          const located = (location) => { globalThis.located = location; };
          const path = `/generations?format=${format}`;
          const events = connect().post(path, { body, headers, located });
          globalThis.done = (async () => {
            for await (const event of events) {
              fold.apply(event);
              globalThis.text = format === "text" ? text + event.data : fold.choices[0]?.content;
            }
            return true;
          })();
        }""",
        format,
    )
    gate.release(20)
    eventually(lambda: page.evaluate("text") == TEXT[:80])
    proxy.cut()
    gate.release(20)
    proxy.mend()
    gate.open()
    assert page.evaluate("done") is True
    generation_id = page.evaluate("located").removeprefix("/generations/")
    assert page.evaluate("text") == hub.finished(generation_id)["choices"][0]["content"] == TEXT


def test_usage_and_model_are_shown_when_it_has_ended(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    watcher = ask(context, hub, "short").until_ended()
    record = hub.finished(watcher.generation_id)
    eventually(lambda: "Time" in watcher.part("facts"))
    facts = watcher.part("facts")
    assert record["model"] in facts
    assert f"{record['usage']['completion_tokens']} out" in facts


def test_on_paper_no_line_is_cut_off(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    row = "| " + " | ".join(["a cell with words"] * 4) + " |"
    table = f"{row}\n{'| --- ' * 4}|\n{row}"
    provider.scripts["wide"] = Script(f"```text\n{'code ' * 60}\n```\n\n{table}\n")
    generation_id = hub.generate("wide")
    watcher = Watcher.at(context, hub.url, generation_id).until_ended()
    watcher.page.emulate_media(media="print")
    watcher.page.set_viewport_size({"width": 620, "height": 900})
    wider = (
        "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML)"
    )
    assert watcher.page.eval_on_selector_all(".formatted, .formatted *", wider) == []


def test_how_it_stands_is_not_guessed_before_it_is_known(
    hub: Stack, context: BrowserContext
) -> None:
    generation_id = hub.generate("short")
    hub.finished(generation_id)
    page = context.new_page()
    held: list[Route] = []
    page.route(f"**/generations/{generation_id}", lambda route: held.append(route))
    page.goto(f"{hub.url}/g/{generation_id}")
    eventually(lambda: held)
    for words in ("Queued", "Stop"):
        assert not page.get_by_text(words, exact=True).is_visible()
    held[0].continue_()
    Watcher(page).until_ended()
    page.get_by_role("button", name="Copy link").wait_for()


def test_an_unknown_generation_says_so_and_is_a_404(hub: Stack, context: BrowserContext) -> None:
    page = context.new_page()
    answer = page.goto(f"{hub.url}/g/nobody-made-this")
    assert answer is not None
    assert answer.status == 404
    page.get_by_role("heading", name="This generation is not here").wait_for()
    assert not page.locator(".generation").is_visible()
    page.get_by_role("link", name="Ask a question").click()
    page.get_by_label("Your question").wait_for()


def test_an_empty_question_and_a_refused_one_are_told_beside_the_field(
    hub: Stack, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"{hub.url}/")
    problem = page.locator("#prompt-problem")
    page.get_by_role("button", name="Ask").click()
    assert problem.inner_text() == "Write something first."
    page.get_by_label("Your question").fill("x")
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Most tokens").fill("99999999999")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Ask").click()
    eventually(lambda: "max_tokens" in problem.inner_text())
    assert page.get_by_label("Your question").input_value() == "x"


def test_the_documentation_s_plain_javascript_shows_an_answer_in_two_tabs(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    page_of_docs = (ROOT / "docs" / "browser.md").read_text()
    (html,) = re.findall(r"```html\n(<pre id=\"answer\">.*?)```", page_of_docs, re.DOTALL)
    provider.default = Script(TEXT)
    body = f"<!doctype html>{html}"
    context.route("**/snippet*", lambda route: route.fulfill(content_type="text/html", body=body))
    page, late = context.new_page(), context.new_page()
    page.goto(f"{hub.url}/snippet")
    eventually(lambda: page.locator("#answer").text_content() == TEXT)
    late.goto(page.url)
    eventually(lambda: late.locator("#answer").text_content() == TEXT)
    assert len(provider.requests) == 1


def test_a_question_beside_a_running_answer_is_kept_and_told_why(
    hub: Stack, provider: ScriptedProvider, gate: Gate, context: BrowserContext
) -> None:
    provider.scripts["story"] = Script(TEXT, gate=gate)
    page = ask(context, hub, "story").page
    problem, field = page.locator("#prompt-problem"), page.get_by_label("Your question")
    field.fill("another")
    field.press("Enter")
    assert problem.inner_text().startswith("The answer is still being written.")
    gate.open()
    eventually(lambda: problem.inner_text() == "")
    assert field.input_value() == "another"


def test_a_hub_that_is_away_is_waited_for_and_the_text_goes_on(
    new_hub: Stack, provider: ScriptedProvider, gate: Gate, context: BrowserContext
) -> None:
    provider.scripts["story"] = Script(TEXT, gate=gate)
    watcher = ask(context, new_hub, "story")
    gate.release(20)
    watcher.until_text(TEXT[:80])
    new_hub.web.terminate()
    eventually(lambda: watcher.connection in ("waiting", "connecting"))
    assert watcher.is_shown("connection-word")
    gate.open()
    new_hub.web.start()
    shows(watcher.until_ended(), new_hub.finished(watcher.generation_id))


def test_a_generation_asked_elsewhere_is_offered_beside_the_conversations(
    hub: Stack, context: BrowserContext
) -> None:
    generation_id = hub.generate("elsewhere")
    hub.finished(generation_id)
    page = context.new_page()
    page.goto(f"{hub.url}/")
    page.get_by_text("Asked elsewhere").click()
    page.locator(f'[data-recent] a[href="/g/{generation_id}"]').click()
    Watcher(page).until_ended()


def test_a_screen_reader_hears_sentences_and_the_end(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    provider.scripts["speak"] = Script("One sentence. Another one. And a rest", pace_seconds=0.05)
    watcher = ask(context, hub, "speak").until_ended()
    said = watcher.page.locator("[data-speech] p").all_text_contents()
    assert " ".join(said) == "One sentence. Another one. And a rest Complete."
    assert watcher.page.get_attribute("[data-choices]", "aria-busy") == "false"


def test_pages_allow_no_script_but_their_own(hub: Stack) -> None:
    for path in ("/", "/g/x", "/notifications", "/status", "/static/hubbub/worker.js"):
        answer = hub.get(path, headers={"Accept": "text/html"})
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert " style=" not in answer.text or path.startswith("/static")
        assert not re.search(r"<script(?![^>]*src=)", answer.text)


def test_no_page_is_wider_than_its_window(
    hub: Stack, provider: ScriptedProvider, context: BrowserContext
) -> None:
    provider.scripts["wide"] = Script(
        f"{'w' * 300}\n\n```\n{'code ' * 60}\n```\n\n|a|b|\n|-|-|\n|1|2|"
    )
    generation_id = hub.generate("wide")
    hub.finished(generation_id)
    page = context.new_page()
    for path in ("/", "/notifications", "/status", f"/g/{generation_id}"):
        page.goto(f"{hub.url}{path}")
        if path.startswith("/g/"):
            Watcher(page).until_ended()
        for width in (320, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_every_field_has_a_name_and_everything_can_be_reached_by_keyboard(
    hub: Stack, context: BrowserContext
) -> None:
    page = context.new_page()
    for path in ("/", "/notifications", "/status"):
        page.goto(f"{hub.url}{path}")
        unnamed = page.eval_on_selector_all(
            "input, textarea, button, a",
            "all => all.filter(one => !one.labels?.length && !one.textContent.trim()"
            " && !one.ariaLabel).map(one => one.outerHTML)",
        )
        assert unnamed == []
        page.focus(".skip")  # the first thing in the page: out of sight until it has the focus
        eventually(lambda: page.eval_on_selector(".skip", "one => one.offsetTop >= 0"))
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
