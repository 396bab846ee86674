"""Providers: an OpenAI-compatible model's stream in, parts out; every dialect, every way to fail.

    providers = Providers.from_settings(settings, os.environ)
    stream = providers.open(ModelRequest(messages=[{"role": "user", "content": "…"}]))
    try:
        for part in stream:
            match part:
                case Delta(index, kind, value, logprobs): ...
                case Model(name): ...        # as the provider says it; before the first Delta
                case Finish(index, reason): ...  # one per choice, after every Delta
                case Usage(prompt, completion, total): ...  # at most one, last; none: not told
    except ProviderFailure as failure:
        ...  # failure.code, failure.detail (the provider's words, scrubbed), failure.retryable
    finally:
        stream.close()

`open` does no I/O and returns at once; the connection is made by the first `next()`. Iterate in one
greenlet (or thread). `kind` is `content`, `reasoning`, `refusal` (value: text, never empty unless
it carries logprobs) or `tool_calls` (value: a list of `{"index", "id"?, "type"?, "function"}` as
OpenAI's deltas have them: index always there, id and type with a call's first piece, `name` and
`arguments` pieces to be concatenated). Text is exactly the provider's; Deltas are not merged.

`stream.close()` may be called from any greenlet, at any time, more than once: the connection at the
provider is shut down at once, a pause between tries ends, and the iteration ends without a failure
(`stream.closed` tells). Iterating after it yields nothing.

Failures raise `ProviderFailure`, always one of `failure.CODES`. Tries are repeated, and the next
provider in the file taken, only while nothing of the answer has been yielded. A content filter that
ends the text is a `Finish`, not a failure. `stream.provider` and `stream.tries` tell who answered
and after how many tries.

Left to others: what was asked and by whom (generation), merging and publishing (publisher).
Refused: the `openai` package, which spends 54 µs on reading a chunk, knows one dialect and says
nothing when a stream is cut.
"""

from workers.provider.config import ProviderConfig, asks_local_model
from workers.provider.cost import cost
from workers.provider.failure import ProviderFailure
from workers.provider.parts import Data, Delta, Finish, Model, Part, Said, Usage
from workers.provider.providers import Providers
from workers.provider.request import ModelRequest
from workers.provider.stream import Stream

__all__ = [
    "Data",
    "Delta",
    "Finish",
    "Model",
    "ModelRequest",
    "Part",
    "ProviderConfig",
    "ProviderFailure",
    "Providers",
    "Said",
    "Stream",
    "Usage",
    "asks_local_model",
    "cost",
]
