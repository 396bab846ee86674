"""Code of one's own as a model: `HUB_GENERATORS=agent=mypackage.agent:answer` (contract §4).

    from workers.generators import Data, Reasoning, Request

    def answer(request: Request):
        yield Data("progress", {"step": "searching"}, id="step")
        yield Reasoning("They ask about the sea.")
        for word in ("The ", "sea ", "is ", "salty."):
            yield word

A worker calls it for a generation whose `model` is `agent`. What it yields becomes the same events,
under the same lease, fence, limits and cancel, as what a provider says.

| yielded | becomes |
| --- | --- |
| `str` | text |
| `Reasoning(text)` | reasoning |
| `ToolCall(name, arguments, id)` | a tool call |
| `Data(name, data, id)` | a part of the application's own; the same `id` again replaces it |
| `Usage(prompt_tokens, completion_tokens)` | the usage, at the end |
| `Finish(reason)` | why it ended, where that is not `stop` |

A cancel, a lost lease and a worker that ends raise `GeneratorExit` where the generator waits or
yields. An exception ends the generation `failed` with `generator-failed` and a traceback in the
log; only the words of a `GenerationFailed` are shown to clients.

It runs in a greenlet: whatever waits through Python's own sockets lets others go on meanwhile. One
that computes, or waits in a library of C's, is marked `@generator(in_thread=True)`; an `async def`
with `yield` runs in a thread with a loop of its own. `@generator(concurrency=4)` bounds how many
answers it gives at a time, `@generator(continues=True)` says that it can go on from
`request.so_far` after its worker was lost.
"""

from workers.generators.marks import generator
from workers.generators.parts import (
    Data,
    Finish,
    GenerationFailed,
    Reasoning,
    Request,
    ToolCall,
    Usage,
)
from workers.generators.registry import Generators

__all__ = [
    "Data",
    "Finish",
    "GenerationFailed",
    "Generators",
    "Reasoning",
    "Request",
    "ToolCall",
    "Usage",
    "generator",
]
