"""What answers where there is no model: a script, which says so itself.

The launcher names it as a generator (`HUB_GENERATORS`), so a question goes the whole way that a
model's answer goes, and every page shows all that it can show: reasoning, progress, Markdown, a
pause to cancel in.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from workers.generators.parts import Data, Reasoning, Request, Usage

PAUSE_SECONDS = 0.02
"""Between two words: about as fast as one reads."""

MAX_QUOTED = 200

_ANSWER = """\
**This is no model.** None can be had on this machine, so a script of Hubbub's answers, always the
same, for you to see how an answer comes. You asked:

> {question}

Open this page in a second tab now: both show one answer. Reload it, stop it, cut the network: what
was said comes once and in order.

### What a page can show

1. **Text** as it comes, with `code`, *emphasis* and [links](https://commonmark.org/help/).
2. A table:

   | channel | listeners |
   | --- | --: |
   | news | 3 |
   | sport | 12 |

3. Code:

   ```python
   from hub import Hub

   hub = Hub.from_url("redis://127.0.0.1:6379")
   hub.publish("news", {{"title": "It works"}})
   ```

4. Mathematics: $e^{{i\\pi}} + 1 = 0$, and on a line of its own

   $$\\sum_{{n=1}}^{{\\infty}} \\frac{{1}}{{n^2}} = \\frac{{\\pi^2}}{{6}}$$

For a model set `OPENAI_API_KEY`, or `OPENAI_BASE_URL`, and start again.
"""


def answer(request: Request) -> Iterator[object]:
    yield Data("progress", {"step": "looking for a model"}, id="step")
    yield from _spoken("Nobody thinks here: these words stand where a model's reasoning would.")
    yield Data("progress", {"step": "none found, reading the script"}, id="step")
    text = _ANSWER.format(question=_quoted(request.prompt))
    words = re.findall(r"\S+\s*", text)
    for word in words:
        time.sleep(PAUSE_SECONDS)
        yield word
    yield Usage(prompt_tokens=len(request.prompt.split()), completion_tokens=len(words))


def _spoken(text: str) -> Iterator[Reasoning]:
    for word in re.findall(r"\S+\s*", text):
        time.sleep(PAUSE_SECONDS)
        yield Reasoning(word)


def _quoted(prompt: str) -> str:
    """One line of the question, with nothing in it that Markdown would take for its own."""
    line = " ".join(prompt.split())
    short = line if len(line) <= MAX_QUOTED else f"{line[:MAX_QUOTED]}…"
    return re.sub(r"([\\`*_{}\[\]<>()#+\-.!|$~])", r"\\\1", short)
