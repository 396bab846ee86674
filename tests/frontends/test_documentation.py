"""docs/frontends.md: what it shows is run as it stands, from the hub's own origin."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.browser.proxy import Proxy
from tests.clients.client import NODE_MODULES, node
from tests.frontends.conftest import newest
from tests.frontends.page import ANSWER, status
from tests.frontends.test_use_chat import ALIASES
from tests.support import keys
from tests.support.deadline import eventually, patience
from tests.support.documentation import blocks
from tests.support.provider import Gate, Script
from tests.support.shared import Shared
from tests.support.stack import clean_environ

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HTML = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>The page's chat</title>
<main></main><script type="module" src="/bundle.js"></script></html>"""
PAGE = """
import {{ createRoot }} from "react-dom/client";
{imports}

function Chat() {{
  {hook}
  const text = messages.filter((one) => one.role === "assistant").flatMap((one) => one.parts);
  return (
    <>
      <article>{{text.map((part) => part.text ?? "").join("")}}</article>
      <button onClick={{() => sendMessage({{ text: "salt" }})}}>Ask</button>
      <p role="status">{{status}}</p>
    </>
  );
}}

createRoot(document.querySelector("main")).render(<Chat />);
"""


def block(language: str, holds: str) -> str:
    """The one block of the page in `language` that holds `holds`."""
    (one,) = [each for each in blocks("frontends.md", language) if holds in each]
    return one


def bundle(tmp_path: Path, aliases: str) -> bytes:
    """A page around the documentation's lines."""
    lines = block("jsx", "useChat").splitlines(keepends=True)
    script = tmp_path / "chat.jsx"
    imports = "".join(line for line in lines if line.startswith("import"))
    hook = "".join(line for line in lines if not line.startswith("import"))
    script.write_text(PAGE.format(imports=imports, hook=hook))
    command = [str(NODE_MODULES / ".bin" / "esbuild"), str(script), "--bundle", "--format=esm"]
    command += ["--jsx=automatic", "--define:process.env.NODE_ENV='production'", *aliases.split()]
    env = {**clean_environ(), "NODE_PATH": str(NODE_MODULES)}
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout


def answer(page: Page) -> str:
    return page.locator("article").text_content() or ""


@pytest.fixture(params=sorted(ALIASES), ids=lambda version: f"ai-{version}")
def open_chat(
    request: pytest.FixtureRequest, context: BrowserContext, tmp_path: Path
) -> Callable[[str], Page]:
    """`open_chat(ORIGIN)`: a tab with the documentation's chat, as that origin's page."""
    node()
    script = bundle(tmp_path, ALIASES[request.param])
    served = {"chat": ("text/html", HTML.encode()), "bundle.js": ("text/javascript", script)}

    def fulfilled(route: Route) -> None:
        content_type, body = served[route.request.url.rpartition("/")[2]]
        route.fulfill(body=body, content_type=content_type)

    def open_chat(origin: str) -> Page:
        for name in served:
            context.route(f"{origin}/{name}", fulfilled)
        page = context.new_page()
        page.goto(f"{origin}/chat")
        page.get_by_role("button", name="Ask").wait_for()
        return page

    return open_chat


def test_the_chat_of_the_page_needs_no_server_code(
    shared: Shared, open_chat: Callable[[str], Page]
) -> None:
    """With the SDK's own transport: asked, watched by a second tab, reloaded, and whole."""
    gate = Gate()
    shared.provider.scripts["salt"] = Script(text=ANSWER, gate=gate)
    page = open_chat(shared.hub.url)
    page.get_by_role("button", name="Ask").click()
    gate.release(2)
    eventually(lambda: answer(page) == ANSWER[:8], 30)

    page.reload()
    other = open_chat(shared.hub.url)
    eventually(lambda: answer(page) == answer(other) == ANSWER[:8], 30)
    gate.open()

    eventually(lambda: answer(page) == answer(other) == ANSWER, 30)
    eventually(lambda: status(page) == status(other) == "ready", 30)
    assert len(shared.provider.requests) == 1


def test_a_reload_continues_after_a_lost_connection(
    shared: Shared, open_chat: Callable[[str], Page]
) -> None:
    gate, proxy = Gate(), Proxy(shared.hub.url)
    shared.provider.scripts["salt"] = Script(text=ANSWER, gate=gate)
    page = open_chat(proxy.url)
    page.get_by_role("button", name="Ask").click()
    gate.release(2)
    eventually(lambda: answer(page) == ANSWER[:8], 30)

    proxy.cut()
    eventually(lambda: status(page) == "error", 30)
    proxy.mend()
    page.reload()

    eventually(lambda: answer(page) == ANSWER[:8], 30)
    gate.open()
    eventually(lambda: answer(page) == ANSWER and status(page) == "ready", 30)
    assert len(shared.provider.requests) == 1
    proxy.close()


def test_the_agent_of_the_page_runs_and_another_connects_to_its_thread(shared: Shared) -> None:
    shared.provider.default = Script(text=ANSWER)
    shown = block("js", "HttpAgent").replace('"/ag-ui', f'"{shared.hub.url}/ag-ui')
    # A page of the hub's own has its cookie.
    shown = shown.replace("threadId:", f"headers: {json.dumps(keys.headers({}))}, threadId:")
    program = f"{shown}\nconsole.log(JSON.stringify(agent.messages));"
    done = subprocess.run(
        [node(), "--input-type=module", "-e", program],
        cwd=NODE_MODULES.parent,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        timeout=60 * patience(),
        check=True,
    )
    messages: list[dict[str, Any]] = json.loads(done.stdout.decode().splitlines()[-1])

    assert [(one["role"], one["content"]) for one in messages] == [
        ("user", "Why is the sea salty?"),
        ("assistant", ANSWER),
    ]
    assert newest(shared)["status"] == "completed"
    assert len(shared.provider.requests) == 1
