"""What a provider said of a call beside its words and will want to see again with the call's output
(a thought's signature): the dialects give it to the page (`Framed._closing`), the page sends it
back with the call, and here it returns to its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.provider.calls import whole_call
from workers.provider.members import DELTA, known


def put_back(again: object, call: dict[str, Any]) -> dict[str, Any]:
    """Complete OpenAI's `call`; the members of the message that it stands in. `again` is what came
    back, whatever that is."""
    if not isinstance(again, Mapping):
        return {}
    more = again.get("call")
    if isinstance(more, Mapping):
        called, kind = call.pop("function"), "function"
        if more.get("type") == "custom":
            kind, more = "custom", {name: value for name, value in more.items() if name != "type"}
        name, text = called["name"], called["arguments"]
        ours = {name: value for name, value in more.items() if name not in ("id", "index")}
        call |= whole_call(call["id"], kind, name, text, ours)
    beside = again.get("message")
    if not isinstance(beside, Mapping):
        return {}
    return {name: value for name, value in beside.items() if name not in known(DELTA)}
